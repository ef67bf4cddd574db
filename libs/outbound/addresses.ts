import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

/** Ranges that may be dialled only where private addresses may. */
const privateRanges: ReadonlySet<string> = new Set(['private', 'loopback', 'uniqueLocal', 'carrierGradeNat'])

/** What clouds tell their machines, credentials included, outside the link-local range. */
const metadata: ReadonlySet<string> = new Set(['168.63.129.16', '100.100.100.200', 'fd00:ec2::254'])

/** All global unicast addresses of IPv6 that were ever given out. */
const globalV6: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3]

/**
 * Whether an address may be dialled: a public unicast one, or a private one where those are allowed. It is a list of
 * what is let through, so that a range nobody thought of is not. An IPv4 address in IPv6's clothes is looked at as
 * what it is; one in a translator's prefix (NAT64, 6to4, Teredo) is refused.
 */
export function mayDial(address: string, { allowPrivate }: { allowPrivate: boolean }): boolean {
  // Not by `ipaddr.isValid`, to which 127.1 is an address too.
  if (isIP(address) === 0) return false
  const parsed = ipaddr.process(address)
  if (metadata.has(parsed.toString())) return false
  const range: string = parsed.range()
  if (allowPrivate && privateRanges.has(range)) return true
  return range === 'unicast' && (parsed.kind() === 'ipv4' || parsed.match(globalV6))
}

import { isIP } from 'node:net'
import { mayDial } from './addresses.ts'

/** What may be called of the addresses that people outside name. The default of each is the narrow one. */
export interface OutboundPolicy {
  /** Whether `http://` is as good as `https://`. */
  readonly allowHttp: boolean
  /** Whether this machine and its private networks may be called; link-local and metadata addresses never are. */
  readonly allowPrivate: boolean
  /** The ports that may be called. */
  readonly ports: readonly number[]
}

/**
 * What is wrong with a URL, as far as it tells without asking a name server; undefined for one that may be tried. What
 * a name stands for is checked when it is dialled.
 */
export function findUrlProblem(text: string, policy: OutboundPolicy): string | undefined {
  // The parser would leave out what must not be there.
  const url = /[\s\p{Cc}]/u.test(text) ? null : URL.parse(text)
  if (url === null) return 'is not a URL'
  if (url.protocol !== 'https:' && !(policy.allowHttp && url.protocol === 'http:')) {
    return policy.allowHttp ? 'must begin with https:// or http://' : 'must begin with https://'
  }
  if (url.username !== '' || url.password !== '') return 'must not hold a user or password'
  const port = portOf(url)
  if (!policy.ports.includes(port)) return `names port ${port}; allowed are ${policy.ports.join(', ')}`
  const host = hostOf(url)
  const isLocalName = /^(?:[^]+\.)?localhost\.?$/.test(host)
  if (isLocalName ? !policy.allowPrivate : isIP(host) !== 0 && !mayDial(host, policy)) {
    return 'names an address that is not a public one'
  }
  return undefined
}

/** The host as sockets take it: an IPv6 address without its brackets. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

import type { LeaseResult } from '#libs/keys'
import type { Journey } from './journey.ts'

/** A key for the next call; `undefined` for a provider that needs none. */
export async function leaseKey(
  { claim, provider }: Journey,
  exclude: ReadonlySet<string>,
): Promise<LeaseResult | undefined> {
  if (provider.keys.size === 0) return undefined
  const { rid, lane, target } = claim.spec
  return provider.keys.lease({ rid, lane, target, tokens: 0, exclude })
}

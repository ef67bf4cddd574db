import { setTimeout as sleep } from 'node:timers/promises'
import { GatewayError } from '#libs/core'
import type { Lease } from '#libs/keys'
import type { Journey } from './journey.ts'

/** A run waits for a key that rests no longer than this, and is else refused: its client may know a better place. */
const longestKeyWaitMs = 60_000

/**
 * A key for the next call; waits while all that are left rest. `lastError` is what the last call brought: it says
 * more than that no key is left.
 */
export async function leaseKey(
  { claim, provider, held }: Journey,
  exclude: ReadonlySet<string>,
  lastError?: GatewayError,
): Promise<Lease | undefined> {
  const { name } = provider.config
  if (provider.keys.size === 0) return undefined
  const { rid, lane, target } = claim.spec
  for (;;) {
    const lease = await provider.keys.lease({ rid, lane, target, tokens: 0, exclude })
    if (lease.status === 'leased') return lease
    if (lease.status === 'none') {
      const message = `Provider ${name} has refused all of its keys.`
      throw lastError ?? new GatewayError('upstream_auth_failed', message, { provider: name })
    }
    const waitMs = Math.max(1, lease.untilMs - Date.now())
    if (waitMs > longestKeyWaitMs) {
      throw new GatewayError('rate_limit_exceeded', `All keys of provider ${name} are at their limit.`, {
        provider: name,
        retryAfterMs: waitMs,
      })
    }
    await sleep(waitMs, undefined, { signal: held.signal })
  }
}

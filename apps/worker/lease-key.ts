import { setTimeout as sleep } from 'node:timers/promises'
import { GatewayError } from '#libs/core'
import type { Lease } from '#libs/keys'
import type { Journey } from './journey.ts'

/** A run waits for a key that rests no longer than this, and is else refused: its client may know a better place. */
const longestKeyWaitMs = 60_000

/** A key for the next call; waits while all that are left rest. */
export async function leaseKey(
  { provider, held }: Journey,
  spentKeys: ReadonlySet<string>,
): Promise<Lease | undefined> {
  const { name, keys } = provider.config
  if (keys.length === 0) return undefined
  for (;;) {
    const lease = provider.keys.lease(spentKeys)
    if (lease.status === 'leased') return lease
    if (lease.status === 'none') {
      throw new GatewayError('upstream_auth_failed', `Provider ${name} has refused all of its keys.`, {
        provider: name,
      })
    }
    const waitMs = Math.max(1, Math.ceil(lease.untilMs - performance.now()))
    if (waitMs > longestKeyWaitMs) {
      throw new GatewayError('rate_limit_exceeded', `All keys of provider ${name} are at their limit.`, {
        provider: name,
        retryAfterMs: waitMs,
      })
    }
    await sleep(waitMs, undefined, { signal: held.signal })
  }
}

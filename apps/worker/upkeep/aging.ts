import { lanePriorities, lanePriority } from '#libs/runs'
import type { WorkerDeps } from '../deps.ts'

/** The part of a provider's places that runs which waited too long hold at most; at least one. */
const agedPart = 10
const agingLanes = ['standard', 'batch'] as const
/** Those of a lane that are looked at for one promotion. */
const mostLookedAt = 100

/**
 * Lets runs that have waited too long go before all others, in the order of their lane and so few at a time that the
 * lanes before theirs hardly feel it.
 */
export async function promoteAged({ store, providers, queues, agingMs, metrics }: WorkerDeps): Promise<void> {
  for (const [provider, queue] of queues) {
    const concurrency = providers.get(provider)?.config.concurrency
    if (concurrency === undefined) continue
    const places = Math.max(1, Math.floor(concurrency / agedPart))
    for (const lane of agingLanes) {
      const first = await queue.first(lanePriority[lane], lanePriorities, mostLookedAt)
      const promoted = await store.promote(provider, first, { waitedMs: agingMs[lane], places })
      // The first one goes before those that went before all others a moment ago.
      for (const rid of promoted.toReversed()) await queue.overtake(rid)
      if (promoted.length > 0) metrics.promotions({ provider, lane }).inc(promoted.length)
    }
  }
}

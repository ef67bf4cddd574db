import type { RunId } from '#libs/core'
import { defineScript, keys, runPrefix, type Redis } from '#libs/redis'
import { lanePriority, lanes } from './run.ts'
import type { RunOrder } from './run-store.ts'

/**
 * The delay for the job of a parked run. It is ended when a run of the same tenant has, so its own end matters only
 * where that went wrong.
 */
export const parkedJobMs = 60_000

/** As in `places.lua`. */
const ticksInRound = 1_000_000
/** Those of a lane that are looked at for one promotion. */
const mostLookedAt = 200

/** What a run of a tenant with this weight costs; rounded up, so that no round has more of them than the weight says. */
export function toCost(weight: number): number {
  return Math.ceil(ticksInRound / weight)
}

/** The part of the store that knows whose turn it is. */
export function createRunOrder(redis: Redis): RunOrder {
  const script = (file: string) => defineScript(redis, new URL(file, import.meta.url))
  const unpark = script('unpark-4.lua')
  const promote = script('promote-3.lua')
  const census = script('census-0.lua')
  return {
    async priority({ rid, lane }) {
      const known = await redis.hget(keys.run(rid), 'priority')
      return known === null ? lanePriority[lane] : Number(known)
    },
    async position({ rid, provider, lane }) {
      const [arrival, rank, all, ...ordered] = await Promise.all([
        redis.zrank(keys.waiting(provider), rid),
        redis.zrank(keys.order(provider, lane), rid),
        redis.zcard(keys.waiting(provider)),
        ...lanes.map((each) => redis.zcard(keys.order(provider, each))),
      ])
      if (arrival === null) return undefined
      const inOrder = ordered.reduce((sum, count) => sum + count, 0)
      const withoutTag = all - inOrder
      if (rank === null) return Math.min(arrival, Math.max(0, withoutTag - 1))
      const before = ordered.slice(0, lanes.indexOf(lane)).reduce((sum, count) => sum + count, 0)
      return withoutTag + before + rank
    },
    async unparked(provider, tenant, { maxRunning, limit }) {
      const sets = [
        keys.parked(provider, tenant),
        keys.waiting(provider),
        keys.running,
        keys.limited(provider),
      ]
      return (await unpark(sets, [tenant, keys.queue(provider), maxRunning ?? '', limit])) as RunId[]
    },
    parkedTenants: (provider) => redis.smembers(keys.limited(provider)),
    async promote(provider, lane, { waitedMs, places }) {
      const sets = [keys.waiting(provider), keys.order(provider, lane), keys.promoted(provider)]
      const named = [runPrefix, keys.queue(provider)]
      return (await promote(sets, [waitedMs, places, ...named, mostLookedAt])) as RunId[]
    },
    async census(provider, tenants) {
      const counts = (await census([], [keys.queue(provider), ...tenants])) as [number, number][]
      return counts.map(([waiting, running]) => ({ waiting, running }))
    },
  }
}

import type { RunId } from '#libs/core'
import { defineScript, keys, runPrefix, type Redis } from '#libs/redis'
import { lanePriority } from './run.ts'
import type { RunOrder, TenantShare } from './run-store.ts'

/**
 * The delay for the job of a parked run. It is ended when a run of the same tenant has, so its own end matters only
 * where that went wrong.
 */
export const parkedJobMs = 60_000

/** As in `order.lua`. */
const ticksInRound = 1_000_000

/** What a run of such a tenant costs; empty if it need be in no order. Rounded up, so that no round has more of them than the weight says. */
export function toCost({ weight, isAlone }: TenantShare): number | '' {
  return isAlone === true ? '' : Math.ceil(ticksInRound / weight)
}

/** The part of the store that knows whose turn it is. */
export function createRunOrder(redis: Redis): RunOrder {
  const script = (file: string) => defineScript(redis, new URL(file, import.meta.url))
  const unpark = script('unpark-4.lua')
  const promote = script('promote-2.lua')
  const census = script('census-0.lua')
  return {
    async priority({ rid, lane }) {
      const known = await redis.hget(keys.run(rid), 'priority')
      return known === null ? lanePriority[lane] : Number(known)
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
    async promote(provider, rids, { waitedMs, places }) {
      const sets = [keys.waiting(provider), keys.promoted(provider)]
      return (await promote(sets, [waitedMs, places, runPrefix, ...rids])) as RunId[]
    },
    async census(provider, tenants) {
      return (await census([], [keys.queue(provider), ...tenants])) as number[]
    },
  }
}

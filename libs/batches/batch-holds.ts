import { defineScript, keys, type Redis } from '#libs/redis'
import { leaseMs, type BatchKey, type BatchStore } from './batch-store.ts'
import type { BatchState } from './batch.ts'

const rememberedMs = 60 * 60 * 1000

/** Who holds which batch, in Redis. */
export type BatchHolds = Pick<BatchStore, 'take' | 'hold' | 'release' | 'forget'> & {
  /** Nobody is to take it any more, and Redis keeps its end for a while. */
  end(key: BatchKey, holder: string, state: BatchState): Promise<void>
}

export function createBatchHolds(redis: Redis): BatchHolds {
  const take = defineScript(redis, new URL('take-1.lua', import.meta.url))
  const script = defineScript(redis, new URL('hold-2.lua', import.meta.url))
  const hold = async (
    key: BatchKey,
    holder: string,
    state: string,
    ms: number | '',
  ): Promise<string | null> =>
    (await script(
      [keys.openBatches, keys.batch(key.id)],
      [memberOf(key), holder, state, ms, rememberedMs],
    )) as string | null
  return {
    async take(holder, limit) {
      const members = await take([keys.openBatches], [keys.batch(''), holder, leaseMs, limit])
      return (members as string[]).map(toKey)
    },
    async hold(key, holder, state) {
      const cancel = await hold(key, holder, JSON.stringify(state), leaseMs)
      return cancel === null ? 'lost' : { cancelAtMs: toTime(cancel) }
    },
    async release(key, holder) {
      await hold(key, holder, '', 0)
    },
    async end(key, holder, state) {
      await hold(key, holder, JSON.stringify(state), '')
    },
    async forget(key) {
      await redis.zrem(keys.openBatches, memberOf(key))
    },
  }
}

export function memberOf({ tenant, id }: BatchKey): string {
  return `${tenant}/${id}`
}

export function toKey(member: string): BatchKey {
  const [tenant = '', id = ''] = member.split('/')
  return { tenant, id }
}

export function toTime(text: string | null | undefined): number | undefined {
  return text == null || text === '' ? undefined : Number(text)
}

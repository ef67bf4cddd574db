import { keys, type Redis } from '#libs/redis'

/** How fast the runs of a provider come to their turn, as all workers together have seen it within the last minute. */
export interface Pace {
  /** A worker has begun a run. */
  began(provider: string): void
  /** `undefined` when none was begun of late. */
  perSecond(provider: string): Promise<number | undefined>
  close(): void
}

const tellEveryMs = 1_000
const bucketMs = 5_000
const buckets = 12
const lifetimeMs = (buckets + 2) * bucketMs

/** The connection stays its owner's. A process that only asks needs no timer, and gets none. */
export function createPace(redis: Redis, onError: (error: unknown) => void): Pace {
  const begun = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined

  async function tell(): Promise<void> {
    timer = undefined
    const bucket = Math.floor(Date.now() / bucketMs)
    const told = [...begun]
    begun.clear()
    await Promise.all(
      told.map(async ([provider, count]) => {
        const key = keys.begun(provider, bucket)
        await redis.incrby(key, count)
        await redis.pexpire(key, lifetimeMs)
      }),
    )
  }

  return {
    began(provider) {
      begun.set(provider, (begun.get(provider) ?? 0) + 1)
      timer ??= setTimeout(() => void tell().catch(onError), tellEveryMs)
    },
    async perSecond(provider) {
      const nowMs = Date.now()
      const first = Math.floor(nowMs / bucketMs) - buckets
      const names = Array.from({ length: buckets + 1 }, (_, at) => keys.begun(provider, first + at))
      const counts = await redis.mget(...names)
      const oldest = counts.findIndex((count) => count !== null)
      if (oldest === -1) return undefined
      const all = counts.reduce((sum, count) => sum + Number(count), 0)
      // The last bucket is as old as it is, and what was begun in this second is not told yet.
      const spanMs = nowMs - (first + oldest) * bucketMs - tellEveryMs
      return (all * 1000) / Math.max(spanMs, tellEveryMs)
    },
    close: () => clearTimeout(timer),
  }
}

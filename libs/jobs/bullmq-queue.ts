import { Queue } from 'bullmq'
import type { RunId } from '#libs/core'
import { bullPrefix, type Redis } from '#libs/redis'
import type { Job } from './job.ts'
import type { JobQueue } from './job-queue.ts'

/** A job is done with when its run is: only failed ones, which no run should cause, are kept to be looked at. */
const jobOptions = {
  attempts: 1,
  removeOnComplete: true,
  removeOnFail: { age: 24 * 60 * 60, count: 20_000 },
  sizeLimit: 4_096,
  stackTraceLimit: 5,
}

interface Pending {
  rid: RunId
  priority: number
  resolve: () => void
  reject: (error: unknown) => void
}

function toJob({ rid, priority }: Pending) {
  return { name: 'run', data: { version: 1 as const, rid }, opts: { jobId: rid, priority } }
}

/** The queue of a provider as BullMQ keeps it. The connection stays its owner's. */
export function createBullmqQueue(provider: string, redis: Redis): JobQueue {
  const queue = new Queue<Job>(provider, {
    connection: redis,
    prefix: bullPrefix,
    streams: { events: { maxLen: 1_000 } },
    defaultJobOptions: jobOptions,
    skipWaitingForReady: true,
  })
  // BullMQ forwards the connection's errors; their owner logs them.
  queue.on('error', () => undefined)
  let pending: Pending[] = []

  async function flush(): Promise<void> {
    const batch = pending
    pending = []
    try {
      const jobs = batch.map(toJob)
      const [only] = jobs
      // A job that is alone needs no pipeline, which is most of what adding it would cost.
      if (jobs.length === 1 && only !== undefined) await queue.add(only.name, only.data, only.opts)
      else await queue.addBulk(jobs)
      for (const entry of batch) entry.resolve()
    } catch (error) {
      for (const entry of batch) entry.reject(error)
    }
  }

  return {
    add: (rid, priority) =>
      new Promise((resolve, reject) => {
        if (pending.push({ rid, priority, resolve, reject }) === 1) setImmediate(() => void flush())
      }),
    async missing(rids) {
      const found = await Promise.all(rids.map((rid) => redis.exists(queue.toKey(rid))))
      const failed = await Promise.all(rids.map((rid) => redis.zscore(queue.toKey('failed'), rid)))
      for (const [index, rid] of rids.entries()) if (failed[index] !== null) await queue.remove(rid)
      return rids.filter((_rid, index) => found[index] === 0 || failed[index] !== null)
    },
    async setConcurrency(concurrency) {
      await queue.setGlobalConcurrency(concurrency)
    },
    close: () => queue.close(),
  }
}

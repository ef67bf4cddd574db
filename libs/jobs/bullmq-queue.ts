import { Queue } from 'bullmq'
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

/** BullMQ sorts by the priority, and below it by a counter. */
const scoreOfPriority = 0x1_0000_0000

/** BullMQ's scripts reject with a number for what is not so about the job. */
async function ifThere(asked: Promise<void>): Promise<boolean> {
  try {
    await asked
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'number') return false
    throw error
  }
}

/** The queue of a provider as BullMQ keeps it. The connection stays its owner's. */
export function createBullmqQueue(provider: string, redis: Redis): JobQueue {
  const queue = new Queue<Job>(provider, {
    connection: redis,
    prefix: bullPrefix,
    streams: { events: { maxLen: 1_000 } },
    defaultJobOptions: jobOptions,
    skipWaitingForReady: true,
    // It looks once, and a queue that got no answer then would never add a job. The worker looks, too.
    skipVersionCheck: true,
  })
  // BullMQ forwards the connection's errors; their owner logs them.
  queue.on('error', () => undefined)

  return {
    async add(rid, priority, delayMs = 0) {
      // One by one: BullMQ's bulk goes through a pipeline of ioredis, which costs more than it saves.
      await queue.add(
        'run',
        { version: 1, rid },
        {
          jobId: rid,
          priority,
          ...(delayMs > 0 && { delay: Math.ceil(delayMs) }),
        },
      )
    },
    async setPriority(rid, priority) {
      await ifThere(queue.getBackend().changePriority(rid, priority))
    },
    async overtake(rid) {
      await ifThere(queue.getBackend().changePriority(rid, 0, true))
    },
    async position(rid) {
      const [rank, urgent, place] = await Promise.all([
        redis.zrank(queue.toKey('prioritized'), rid),
        redis.llen(queue.toKey('wait')),
        redis.lpos(queue.toKey('wait'), rid),
      ])
      if (rank !== null) return urgent + rank
      // The last of the list is its next.
      return place === null ? undefined : urgent - 1 - place
    },
    first(priority, priorities, limit) {
      const [from, to] = [priority * scoreOfPriority, (priority + priorities) * scoreOfPriority - 1]
      return redis.zrangebyscore(queue.toKey('prioritized'), from, to, 'LIMIT', 0, limit)
    },
    hurry: (rid) => ifThere(queue.getBackend().promote(rid)),
    async missing(rids) {
      const found = await Promise.all(rids.map((rid) => redis.exists(queue.toKey(rid))))
      const failed = await Promise.all(rids.map((rid) => redis.zscore(queue.toKey('failed'), rid)))
      for (const [index, rid] of rids.entries()) if (failed[index] !== null) await queue.remove(rid)
      return rids.filter((_rid, index) => found[index] === 0 || failed[index] !== null)
    },
    async failed(limit) {
      const failed = await queue.getFailed(0, limit - 1)
      return failed.map((job) => ({ id: job.id ?? '', reason: job.failedReason }))
    },
    async setConcurrency(concurrency) {
      await queue.setGlobalConcurrency(concurrency)
    },
    close: () => queue.close(),
  }
}

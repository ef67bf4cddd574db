import { Queue } from 'bullmq'
import { taskPrefix, type Redis } from '#libs/redis'

/**
 * Work that is no run, each piece known by an id of its own. Like a job, a task only says that something is to be
 * looked at: what there is to do is in a record of its owner's.
 */
export interface TaskQueue {
  /** Resolves when the task is in Redis; one that is there already stays as it is. */
  add(id: string): Promise<void>
  /** The same, and a task that waits for its time waits no more. */
  hurry(id: string): Promise<void>
  /** Which of these have no task. */
  missing(ids: readonly string[]): Promise<string[]>
  close(): Promise<void>
}

/** The queue of this name as BullMQ keeps it. The connection stays its owner's. */
export function createTaskQueue(name: string, redis: Redis): TaskQueue {
  const queue = new Queue(name, {
    connection: redis,
    prefix: taskPrefix,
    streams: { events: { maxLen: 1_000 } },
    // One that failed leaves nothing behind: its owner misses it, and adds it again.
    defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: true, stackTraceLimit: 5 },
    skipWaitingForReady: true,
    // It looks once, and a queue that got no answer then would never add a job. The worker looks, too.
    skipVersionCheck: true,
  })
  // BullMQ forwards the connection's errors; their owner logs them.
  queue.on('error', () => undefined)

  async function add(id: string): Promise<void> {
    await queue.add('task', {}, { jobId: id })
  }

  return {
    add,
    async hurry(id) {
      const task = await queue.getJob(id)
      if (task === undefined) await add(id)
      else if (await task.isDelayed()) await task.promote()
    },
    async missing(ids) {
      const found = await Promise.all(ids.map((id) => redis.exists(queue.toKey(id))))
      return ids.filter((_id, index) => found[index] === 0)
    },
    close: () => queue.close(),
  }
}

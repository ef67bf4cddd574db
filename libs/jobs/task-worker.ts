import { DelayedError, Worker } from 'bullmq'
import { GatewayError } from '#libs/core'
import { taskPrefix, type Redis } from '#libs/redis'

/** Whose tasks are taken, how many at once, and what is done with each. */
export interface TaskWorkerOptions {
  name: string
  /** Purpose `jobs`. BullMQ makes a second one of it for its blocking wait. */
  redis: Redis
  concurrency: number
  /**
   * Does what the task asks for. Gives the milliseconds after which it is to come again, or nothing when it is done.
   * The signal is raised when the worker must stop and cannot wait any longer.
   */
  process: (id: string, signal: AbortSignal) => Promise<number | undefined>
  onError: (error: Error) => void
}

/** Takes tasks from its creation on. */
export interface TaskWorker {
  /** Takes no more; resolves when those at hand are done, of which none is waited for longer than this. */
  close(graceMs: number): Promise<void>
}

/** A task whose worker died comes to another one within half a minute; so `process` may see a task twice. */
export function createTaskWorker({
  name,
  redis,
  concurrency,
  process,
  onError,
}: TaskWorkerOptions): TaskWorker {
  const stopping = new AbortController()
  const worker = new Worker(
    name,
    async (job, token) => {
      if (job.id === undefined) throw new GatewayError('internal_error', 'A task has no id.')
      const againInMs = await process(job.id, stopping.signal)
      if (againInMs === undefined) return
      await job.moveToDelayed(Date.now() + againInMs, token)
      throw new DelayedError()
    },
    {
      connection: redis,
      prefix: taskPrefix,
      concurrency,
      lockDuration: 20_000,
      stalledInterval: 5_000,
      maxStalledCount: 3,
      drainDelay: 5,
      runRetryDelay: 1_500,
    },
  )
  worker.on('error', onError)
  worker.on('failed', (_job, error) => onError(error))
  return {
    async close(graceMs) {
      const limit = setTimeout(() => stopping.abort(), graceMs)
      await worker.close()
      clearTimeout(limit)
    },
  }
}

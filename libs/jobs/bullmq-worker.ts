import { Worker } from 'bullmq'
import { GatewayError, type RunId } from '#libs/core'
import { bullPrefix, type Redis } from '#libs/redis'
import { Job } from './job.ts'

/** Whose jobs are taken, how many at once, and what is done with each. */
export interface JobWorkerOptions {
  provider: string
  /** Purpose `worker`. BullMQ makes a second one of it for its blocking wait. */
  redis: Redis
  /** How many jobs this process takes at once; the queue's own bound holds over all processes. */
  concurrency: number
  /** Carries the run further. What it throws makes the job fail, and is for a person to look at. */
  process: (rid: RunId) => Promise<void>
  onError: (error: Error) => void
}

/** Takes jobs from its creation on. */
export interface JobWorker {
  /** Takes no more jobs; resolves when those at hand are done, however long they take. */
  close(): Promise<void>
}

/**
 * Takes a provider's jobs. BullMQ gives a job anew to another worker when its lock ran out, which also happens
 * when Redis was away and the first worker lives: `process` must find out from the run what there is to do, and
 * a lost lock stops nothing here.
 */
export function createBullmqWorker(options: JobWorkerOptions): JobWorker {
  const worker = new Worker<Job>(
    options.provider,
    async (job) => {
      const parsed = Job.safeParse(job.data)
      if (!parsed.success)
        throw new GatewayError('internal_error', `Job ${job.id} is not one that this release knows.`)
      await options.process(parsed.data.rid)
    },
    {
      connection: options.redis,
      prefix: bullPrefix,
      concurrency: options.concurrency,
      lockDuration: 20_000,
      stalledInterval: 5_000,
      maxStalledCount: 3,
      drainDelay: 5,
      runRetryDelay: 1_500,
    },
  )
  worker.on('error', options.onError)
  return { close: () => worker.close() }
}

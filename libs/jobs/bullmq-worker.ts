import { DelayedError, Worker } from 'bullmq'
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
  process: (rid: RunId) => Promise<JobResult>
  onError: (error: Error) => void
}

/** What becomes of a job that was processed. */
export type JobResult =
  /** It is removed. Then `after` is called, for who must add one of the same name: there can't be two. */
  | { status: 'done'; after?: () => Promise<void> }
  /** It waits until this time of the process's clock, keeps its priority, and holds no place meanwhile. */
  | { status: 'later'; atMs: number }

/** Takes jobs from its creation on. */
export interface JobWorker {
  /**
   * When it last heard from its queue, as `performance.now()` tells time; now, while it has all the jobs that it
   * takes at once. A connection that is half open shows itself by this alone.
   */
  readonly heardAtMs: number
  /** Takes no more jobs; resolves when those at hand are done, however long they take. */
  close(): Promise<void>
}

/**
 * Takes a provider's jobs. BullMQ gives a job anew to another worker when its lock ran out, which also happens
 * when Redis was away and the first worker lives: `process` must find out from the run what there is to do, and
 * a lost lock stops nothing here.
 */
export function createBullmqWorker(options: JobWorkerOptions): JobWorker {
  const fetchers = Array.from({ length: fetchersAtOnce }, () => createFetcher(options))
  return {
    get heardAtMs() {
      return Math.min(...fetchers.map((fetcher) => fetcher.heardAtMs))
    },
    async close() {
      await Promise.all(fetchers.map((fetcher) => fetcher.close()))
    },
  }
}

/**
 * A worker of BullMQ fetches one job a round trip, which on a busy machine is several milliseconds. So that runs
 * which begin at about the same time need not wait for each other, there are that many for each provider; the bound
 * on how many run at once is the queue's, and holds over all of them.
 */
const fetchersAtOnce = 3

function createFetcher(options: JobWorkerOptions): JobWorker {
  let heardAtMs = performance.now()
  let running = 0
  const followUps = createFollowUps(options.onError)
  const worker = new Worker<Job, JobResult['status']>(
    options.provider,
    async (job, token) => {
      heardAtMs = performance.now()
      const parsed = Job.safeParse(job.data)
      if (!parsed.success)
        throw new GatewayError('internal_error', `Job ${job.id} is not one that this release knows.`)
      running += 1
      try {
        const result = await options.process(parsed.data.rid)
        if (result.status === 'done') {
          if (result.after !== undefined) followUps.plan(job, result.after)
          return result.status
        }
        await job.moveToDelayed(result.atMs, token)
        throw new DelayedError()
      } finally {
        running -= 1
      }
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
  worker.on('completed', (job) => followUps.begin(job))
  const backend = worker.getBackend()
  const waitForJob = backend.waitForJob.bind(backend)
  backend.waitForJob = async (timeout) => {
    const found = await waitForJob(timeout)
    heardAtMs = performance.now()
    return found
  }
  return {
    get heardAtMs() {
      return running >= options.concurrency ? performance.now() : heardAtMs
    },
    async close() {
      await worker.close()
      await followUps.settled()
    },
  }
}

/** What is to be done when jobs are gone. Until then a job keeps others of its name out of the queue. */
function createFollowUps(onError: (error: Error) => void) {
  const planned = new WeakMap<object, () => Promise<void>>()
  const begun = new Set<Promise<void>>()
  return {
    plan: (job: object, act: () => Promise<void>) => planned.set(job, act),
    begin(job: object): void {
      const act = planned.get(job)
      if (act === undefined) return
      const done = act()
        .catch(onError)
        .finally(() => begun.delete(done))
      begun.add(done)
    },
    settled: () => Promise.all(begun),
  }
}

import type { RunId } from '#libs/core'
import { createBullmqWorker, createTaskWorker } from '#libs/jobs'
import { channels } from '#libs/redis'
import { webhookQueue } from '#libs/webhooks'
import { startDeadlineWatch } from './upkeep/deadlines.ts'
import { createWorkerDeps, type WorkerDeps, type WorkerOptions } from './deps.ts'
import { settleSpool } from './end-run.ts'
import { startHealthServer } from './metrics/health-server.ts'
import { processJob } from './process-job.ts'
import { startSweeper } from './upkeep/sweep.ts'
import { publishTenantGauges } from './metrics/tenant-gauges.ts'
import { publishKeyGauges } from './calls/worker-provider.ts'

export interface RunningWorker {
  readonly providers: readonly string[]
  /**
   * Takes no more jobs and waits for the runs at hand. What has not ended after `drainMs` is ended as
   * `worker_lost`, with all that it had received. Resolves when nothing of the worker is left.
   */
  stop(drainMs: number): Promise<void>
}

export interface StartOptions extends WorkerOptions {
  /** Where `/metrics` and `/healthz` are shown; nowhere if undefined. */
  metricsPort?: number | undefined
}

/** To all endpoints together; to each of them at once there is a smaller bound. */
const deliveriesAtOnce = 128

/** Serves the queues of the configured providers until it is stopped. */
export async function startWorker({ metricsPort, ...options }: StartOptions): Promise<RunningWorker> {
  const deps = await createWorkerDeps(options)
  const { logger, providers, queues, held, redis } = deps
  redis.subscriber.on('message', (channel: string, rid: RunId) => {
    if (channel === channels.cancel) held.stop(rid, 'cancelled')
  })
  await redis.subscriber.subscribe(channels.cancel)
  for (const { config } of providers.values()) {
    await queues.get(config.name)?.setConcurrency(config.concurrency)
  }
  await settleSpool(deps)
  const workers = [...providers.values()].map((provider) =>
    createBullmqWorker({
      provider: provider.config.name,
      redis: redis.jobs,
      concurrency: provider.config.concurrency,
      process: (rid) => processJob(deps, provider, rid),
      onError: (error) => logger.warn({ err: error, provider: provider.config.name }, 'queue trouble'),
    }),
  )
  const deliverer = createTaskWorker({
    name: webhookQueue,
    redis: redis.jobs,
    concurrency: deliveriesAtOnce,
    process: deps.webhooks.deliver,
    onError: (error) => logger.warn({ err: error }, 'a webhook delivery is in trouble'),
  })
  const sweeper = startSweeper(deps)
  const deadlines = startDeadlineWatch(deps)
  publishGauges(deps)
  publishTenantGauges(deps, options.config)
  publishKeyGauges(deps.metrics, providers.values())
  const { host } = options.config.server
  const health =
    metricsPort === undefined
      ? undefined
      : await startHealthServer(deps, workers, { host, port: metricsPort })
  return {
    providers: [...providers.keys()],
    async stop(drainMs) {
      held.isDraining = true
      const limit = setTimeout(() => held.stopAll('drained'), drainMs)
      await Promise.all([...workers.map((worker) => worker.close()), deliverer.close(drainMs)])
      clearTimeout(limit)
      await Promise.all([sweeper.close(), deadlines.close()])
      health?.close()
      await deps.close()
    },
  }
}

function publishGauges({ metrics, store, providers, webhooks }: WorkerDeps): void {
  metrics.beforeScrape(async () => {
    for (const provider of providers.keys()) {
      const { count, oldestAgeMs } = await store.waiting(provider)
      metrics.queueDepth({ provider }).set(count)
      metrics.queueOldestAge({ provider }).set(oldestAgeMs / 1000)
    }
    const { count, oldestAgeMs } = await store.outbox()
    metrics.outboxRuns({}).set(count)
    metrics.archiveLag({}).set(oldestAgeMs / 1000)
    const backlog = await webhooks.deliveries.backlog()
    metrics.webhookDepth({}).set(backlog.count)
    metrics.webhookLateness({}).set(backlog.latenessMs / 1000)
  })
}

import { join } from 'node:path'
import { createShareOf, knownTenants, type Config, type ShareOf } from '#config'
import { GatewayError } from '#libs/core'
import { createBullmqQueue, type JobQueue } from '#libs/jobs'
import type { Limiter } from '#libs/keys'
import { createPriceList, type PriceList } from '#libs/prices'
import { findProviderSpec } from '#libs/providers'
import { connectRedis, keys, withLock, type Redis } from '#libs/redis'
import { createBreakerSettings, createHealth, type Health } from '#libs/routing'
import {
  createArchive,
  createPace,
  createRedisRunStore,
  createRunMedia,
  type Archive,
  type RunMedia,
  type RunStore,
} from '#libs/runs'
import { openObjectStore, type ObjectStore } from '#libs/storage'
import { createRedisStreamLog, type StreamLog } from '#libs/streams'
import { createMetrics, type Logger, type Metrics } from '#libs/telemetry'
import { createWebhooks, type Webhooks } from '#libs/webhooks'
import { createAppendPump, type AppendPump } from './append-pump.ts'
import { createArchiver, type Archiver } from './archiver.ts'
import { createCacheMemory, type CacheMemory } from './calls/cache-memory.ts'
import { createHeldRuns, type HeldRuns } from './held-runs.ts'
import { createRoutes, type Routes } from './calls/routes.ts'
import { createRunMetrics, type RunMetrics } from './metrics/run-metrics.ts'
import { createSpool, type Spool } from './upkeep/spool.ts'
import { connectProviders, type WorkerProvider } from './calls/worker-provider.ts'

export interface WorkerDeps {
  logger: Logger
  store: RunStore
  log: StreamLog
  pump: AppendPump
  held: HeldRuns
  archive: Archive
  media: RunMedia
  spool: Spool
  archiver: Archiver
  prices: PriceList
  webhooks: Webhooks
  /** Those whose jobs this worker takes. */
  providers: ReadonlyMap<string, WorkerProvider>
  /** For the limits of clients' keys. */
  limiter: Limiter
  /** Of every provider, since a run may go on at any. */
  queues: ReadonlyMap<string, JobQueue>
  routes: Routes
  health: Health
  shareOf: ShareOf
  agingMs: Config['general']['agingMs']
  runMetrics: RunMetrics
  caches: CacheMemory
  metrics: Metrics
  /** For commands of one's own and for BullMQ's. */
  redis: { kernel: Redis; jobs: Redis; subscriber: Redis }
  /** Closes all of the above, in the order in which nothing is lost. */
  close(): Promise<void>
}

export interface WorkerOptions {
  config: Config
  /** Only these providers' queues are served; all if undefined. */
  only?: readonly string[] | undefined
  logger: Logger
}

/** Connects everything that a worker needs. Throws what can't be reached; the process is then to end. */
export async function createWorkerDeps({ config, only, logger }: WorkerOptions): Promise<WorkerDeps> {
  const redisUrl = redisUrlOf(config)
  const onError = (error: Error): void => logger.warn({ err: error }, 'redis connection trouble')
  const objects = await openObjectStore(config.storage)
  const redis = await connectAll(redisUrl, onError)
  const { kernel, jobs, subscriber } = redis
  const metrics = createMetrics({ tenants: knownTenants(config), models: knownModels(config) })
  const store = createRedisRunStore(kernel, { retainMs: config.redis.retainMs })
  const log = createRedisStreamLog(kernel)
  const pump = createAppendPump(log)
  const held = createHeldRuns(store, (error) => logger.warn({ err: error }, 'sign of life failed'))
  const archive = openArchive(objects, kernel)
  const webhooks = openWebhooks({ config, redis, objects, metrics, logger })
  const media = createRunMedia(objects)
  const archiver = createArchiver({ archive, media, store, publish: webhooks.publish, logger })
  const providers = await connectProviders({ config, only, redis: { kernel, subscriber }, logger })
  const queues = new Map(config.providers.map(({ name }) => [name, createBullmqQueue(name, jobs)]))
  const prices = await createPriceList(config, { tableName: (type) => findProviderSpec(type)?.pricesName })
  const onTrouble = (error: unknown): void => onError(GatewayError.from(error))
  const pace = createPace(kernel, onTrouble)
  const health = await watchHealth(config, { redis: kernel, subscriber }, { metrics, onError })
  return {
    logger,
    store,
    log,
    pump,
    held,
    archive,
    media,
    spool: createSpool(join(config.dataDir, 'spool')),
    archiver,
    prices,
    webhooks,
    providers: providers.all,
    limiter: providers.limiter,
    queues,
    health,
    routes: createRoutes(config, { health, prices }),
    shareOf: createShareOf(config),
    agingMs: config.general.agingMs,
    runMetrics: createRunMetrics(metrics, pace),
    caches: createCacheMemory(config, { redis: kernel, metrics, onError: onTrouble }),
    metrics,
    redis,
    async close() {
      await archiver.close()
      await health.close()
      await webhooks.close()
      pace.close()
      pump.close()
      held.close()
      for (const queue of queues.values()) await queue.close()
      await providers.close()
      await objects.close()
      for (const connection of Object.values(redis)) connection.disconnect()
    },
  }
}

function openArchive(objects: ObjectStore, redis: Redis): Archive {
  return createArchive({
    store: objects,
    exclusively: (tenant, act) => withLock(redis, keys.erasing(tenant), act),
  })
}

function watchHealth(
  { models, modelDefaults, providers }: Config,
  connections: { redis: Redis; subscriber: Redis },
  { metrics, onError }: { metrics: Metrics; onError: (error: Error) => void },
): Promise<Health> {
  const keyCounts = new Map(providers.map(({ name, keys: own }) => [name, own.length]))
  return createHealth({
    ...connections,
    settingsOf: createBreakerSettings(models, modelDefaults),
    keysOf: (provider) => keyCounts.get(provider) ?? 0,
    onOpened: ({ provider, model }) => metrics.circuitOpened({ provider, model }).inc(),
    onError: (error) => onError(GatewayError.from(error)),
  })
}

function redisUrlOf({ redis }: Config): string {
  if (redis.url !== undefined) return redis.url
  throw new Error(
    'No Redis is configured. Set REDIS_URL or redis.url, or use `npm start`, which brings its own.',
  )
}

async function connectAll(url: string, onError: (error: Error) => void): Promise<WorkerDeps['redis']> {
  const [kernel, jobs, subscriber] = await Promise.all([
    connectRedis(url, 'worker', { onError }),
    connectRedis(url, 'jobs', { onError }),
    connectRedis(url, 'subscriber', { onError }),
  ])
  return { kernel, jobs, subscriber }
}

function openWebhooks({
  config,
  redis,
  objects,
  metrics,
  logger,
}: Pick<WorkerDeps, 'redis' | 'metrics' | 'logger'> & { config: Config; objects: ObjectStore }): Webhooks {
  return createWebhooks({
    redis: redis.kernel,
    jobs: redis.jobs,
    objects,
    settings: config.webhooks,
    onError: (error) => logger.error({ err: error }, 'webhook trouble'),
    onAttempt(outcome, ageMs) {
      metrics.webhookAttempts({ outcome }).inc()
      if (outcome === 'delivered') metrics.webhookAge({}).observe(ageMs / 1000)
    },
    onDropped: (count) => metrics.webhookDropped({}).inc(count),
  })
}

/** The target names that may become labels; what clients make up becomes `other`. */
function knownModels(config: Config): Set<string> {
  return new Set(config.models.flatMap(({ targets }) => targets.map(({ model }) => model)))
}

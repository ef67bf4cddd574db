import { createShareOf, knownTenants, type Config, type ShareOf } from '#config'
import { createRedisBatchStore, type BatchStore } from '#libs/batches'
import { createRunId } from '#libs/core'
import { createFileStore, type FileStore } from '#libs/files'
import { createBullmqQueue, type JobQueue } from '#libs/jobs'
import { createRestReader, type RestingKey } from '#libs/keys'
import { createPriceList, typicalCost, type PriceList } from '#libs/prices'
import { findProviderSpec } from '#libs/providers'
import { createLimiter, type Limiter } from '#libs/keys'
import { connectRedis, keys, withLock, type Redis } from '#libs/redis'
import {
  createBreakerSettings,
  createHealth,
  createRouter,
  type Health,
  type HealthOptions,
  type Router,
} from '#libs/routing'
import {
  createArchive,
  createPace,
  createRedisRunStore,
  createRunMedia,
  type Archive,
  type Pace,
  type RunMedia,
  type RunStore,
} from '#libs/runs'
import { openObjectStore } from '#libs/storage'
import { createReaders, createRedisStreamLog, type Readers, type StreamLog } from '#libs/streams'
import { createMetrics, type Logger, type Metrics } from '#libs/telemetry'
import { createWebhooks, type Webhooks } from '#libs/webhooks'
import { createAdmission, type Admission } from './admission.ts'
import {
  createAuthenticate,
  createRecallCaller,
  type Authenticate,
  type RecallCaller,
} from './authenticate.ts'
import { openCacheChooser, type CacheChooser } from './cache-chooser.ts'
import { createOpenStreams, type OpenStreams } from './open-streams.ts'
import { createSockets, type Sockets } from './websocket/sockets.ts'

export interface ApiDeps {
  config: Config
  logger: Logger
  metrics: Metrics
  redis: Redis
  store: RunStore
  pace: Pick<Pace, 'perSecond'>
  log: StreamLog
  readers: Readers
  archive: Archive
  media: RunMedia
  files: FileStore
  batches: BatchStore
  queues: ReadonlyMap<string, JobQueue>
  router: Router
  health: Health
  /** Absent where no model is routed by what caches hold. */
  caches: CacheChooser | undefined
  /** The providers' keys that must not be used for a while. */
  readKeyRests: () => Promise<RestingKey[]>
  shareOf: ShareOf
  authenticate: Authenticate
  recallCaller: RecallCaller
  /** For the limits of clients' keys. */
  limiter: Limiter
  prices: PriceList
  admission: Admission
  openStreams: OpenStreams
  webhooks: Webhooks
  sockets: Sockets
  /** True once the process was told to stop: nothing new is accepted. */
  isDraining: boolean
  close(): Promise<void>
}

export interface ApiOptions {
  config: Config
  redisUrl: string
  logger: Logger
}

/** Connects everything that the API tier needs. Throws what can't be reached; the process is then to end. */
export async function createApiDeps({ config, redisUrl, logger }: ApiOptions): Promise<ApiDeps> {
  const onError = (error: unknown): void => logger.warn({ err: error }, 'redis connection trouble')
  const objects = await openObjectStore(config.storage)
  const [redis, jobs, subscriber] = await Promise.all([
    connectRedis(redisUrl, 'request', { onError }),
    connectRedis(redisUrl, 'request', { onError }),
    connectRedis(redisUrl, 'subscriber', { onError }),
  ])
  const log = createRedisStreamLog(redis)
  const readers = await createReaders({ subscriber, log, process: createRunId('run_'), onError })
  const queues = new Map(config.providers.map(({ name }) => [name, createBullmqQueue(name, jobs)]))
  const openStreams = createOpenStreams(config.server)
  const store = createRedisRunStore(redis, { retainMs: config.redis.retainMs })
  const metrics = createMetrics(knownLabels(config))
  const routing = await openRouting(config, { redis, subscriber, onError })
  const webhooks = createWebhooks({ redis, jobs, objects, settings: config.webhooks, onError })
  const { outboxLimitMs, stuckReaderMs, websocket } = config.server
  const admission = createAdmission({ redis, store, outboxLimitMs, metrics, onError })
  return {
    config,
    logger,
    metrics,
    redis,
    store,
    pace: createPace(redis, onError),
    log,
    readers,
    archive: createArchive({
      store: objects,
      exclusively: (tenant, act) => withLock(redis, keys.erasing(tenant), act),
    }),
    media: createRunMedia(objects),
    files: createFileStore(objects, redis),
    batches: createRedisBatchStore(objects, redis),
    queues,
    ...routing,
    readKeyRests: createRestReader(redis),
    shareOf: createShareOf(config),
    limiter: createLimiter(redis),
    authenticate: createAuthenticate(config.keys, config.general.keyHeader),
    recallCaller: createRecallCaller(config.keys),
    admission,
    openStreams,
    webhooks,
    sockets: createSockets({ limits: { ...websocket, stuckReaderMs }, openStreams, metrics }),
    isDraining: false,
    async close() {
      await routing.health.close()
      admission.close()
      openStreams.close()
      readers.close()
      for (const queue of queues.values()) await queue.close()
      await webhooks.close()
      await objects.close()
      for (const connection of [subscriber, jobs, redis]) connection.disconnect()
    },
  }
}

/** What may become the label of a metric. */
function knownLabels(config: Config): { tenants: Set<string>; models: Set<string> } {
  const models = config.models.flatMap(({ name, targets }) => [name, ...targets.map(({ model }) => model)])
  return { tenants: knownTenants(config), models: new Set(models) }
}

async function openRouting(
  config: Config,
  watched: Pick<HealthOptions, 'redis' | 'subscriber' | 'onError'>,
): Promise<Pick<ApiDeps, 'prices' | 'health' | 'router' | 'caches'>> {
  const { models, modelDefaults, providers, general } = config
  const prices = await createPriceList(config, { tableName: (type) => findProviderSpec(type)?.pricesName })
  const settingsOf = createBreakerSettings(models, modelDefaults)
  // This tier makes no calls, so no key of its own has a circuit.
  const health = await createHealth({ ...watched, settingsOf, keysOf: () => 0 })
  const router = createRouter({
    models,
    providers: general.directTargets ? providers.map(({ name }) => name) : [],
    look: (target) => health.look(target),
    takeProbe: (target) => health.takeProbe(target),
    price: ({ provider, model }) => typicalCost(prices.priceOf(provider, model)),
  })
  const { redis, onError } = watched
  return {
    prices,
    health,
    router,
    caches: await openCacheChooser(config, { redis, health, prices, onError }),
  }
}

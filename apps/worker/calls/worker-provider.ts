import type { Config, ProviderConfig } from '#config'
import {
  connectKeyRests,
  createKeyPool,
  createLimiter,
  type KeyPool,
  type KeyRests,
  type Limiter,
} from '#libs/keys'
import { connectProvider, findProviderSpec, type ConnectedProvider, type ProviderSpec } from '#libs/providers'
import type { Redis } from '#libs/redis'
import type { Logger, Metrics } from '#libs/telemetry'
import { createSharedMeters, type SharedMeters } from './shared-meters.ts'

/** A provider as this worker serves it. */
export interface WorkerProvider {
  config: ProviderConfig
  spec: ProviderSpec
  keys: KeyPool
  /** Absent for one that is built in. */
  connected: ConnectedProvider | undefined
  /** The same at the addresses that keys have of their own, by the key's name. */
  endpoints: ReadonlyMap<string, ConnectedProvider>
}

/** The providers of one worker, by name. */
export interface WorkerProviders {
  all: ReadonlyMap<string, WorkerProvider>
  /** For the limits of clients' keys too. */
  limiter: Limiter
  close(): Promise<void>
}

/** What the providers need of their worker; the connections stay its own. */
export interface ProviderParts {
  config: Config
  /** Only these; all if undefined. */
  only: readonly string[] | undefined
  redis: { kernel: Redis; subscriber: Redis }
  logger: Logger
}

/** Throws for a name that is not configured. What other processes know of the keys is known when it resolves. */
export async function connectProviders({
  config,
  only,
  redis,
  logger,
}: ProviderParts): Promise<WorkerProviders> {
  const unknown = only?.find((name) => !config.providers.some((provider) => provider.name === name))
  if (unknown !== undefined) throw new Error(`--providers names ${unknown}, which is not configured.`)
  const { kernel, subscriber } = redis
  const onError = (error: unknown): void =>
    logger.warn({ err: error }, 'the state of keys could not be shared')
  const limiter = createLimiter(kernel)
  const rests = await connectKeyRests({ redis: kernel, subscriber, onError })
  const shared = {
    rests,
    limiter,
    sharedMeters: createSharedMeters(config),
    logger,
  }
  const served = config.providers.filter(({ name }) => only === undefined || only.includes(name))
  const all = new Map(served.map((provider) => [provider.name, createWorkerProvider(provider, shared)]))
  return {
    all,
    limiter,
    async close() {
      rests.close()
      for (const { connected, endpoints } of all.values()) {
        for (const endpoint of endpoints.values()) await endpoint.close()
        await connected?.close()
      }
    },
  }
}

interface SharedParts {
  limiter: Limiter
  rests: KeyRests
  sharedMeters: SharedMeters
  logger: Logger
}

function createWorkerProvider(config: ProviderConfig, parts: SharedParts): WorkerProvider {
  const spec = findProviderSpec(config.type)
  if (spec === undefined) throw new TypeError(`Provider ${config.name} has the unknown type ${config.type}.`)
  const connect = (baseUrl: string | undefined): ConnectedProvider | undefined =>
    spec.builtIn === undefined && baseUrl !== undefined
      ? connectProvider(spec, { ...config, baseUrl })
      : undefined
  const endpoints = config.keys.flatMap(({ name, baseUrl }) => {
    const connected = connect(baseUrl)
    return connected === undefined ? [] : [[name, connected] as const]
  })
  return {
    config,
    spec,
    keys: createPool(config, spec, parts),
    connected: connect(config.baseUrl ?? spec.defaultBaseUrl),
    endpoints: new Map(endpoints),
  }
}

function createPool(
  { name: provider, keys }: ProviderConfig,
  { readHeadroom }: ProviderSpec,
  { limiter, rests, sharedMeters, logger }: SharedParts,
): KeyPool {
  return createKeyPool(keys, {
    provider,
    limiter,
    rests,
    sharedMeters: (target) => sharedMeters(provider, target),
    readHeadroom,
    onRefused: (key) =>
      logger.error({ provider, key }, 'the provider refuses a key, which is out for a while'),
    onError: (error) => logger.warn({ err: error, provider }, 'a lease could not be released'),
  })
}

/** What the pools know of their keys, as it is when the metrics are read. */
export function publishKeyGauges(metrics: Metrics, providers: Iterable<WorkerProvider>): void {
  const all = [...providers]
  metrics.beforeScrape(() => {
    for (const { config, keys } of all) {
      for (const { name: key, isRefused, headroom } of keys.look()) {
        const provider = config.name
        metrics.keyRefused({ provider, key }).set(isRefused ? 1 : 0)
        for (const [kind, { remaining }] of Object.entries(headroom)) {
          metrics.keyHeadroom({ provider, key, kind }).set(remaining)
        }
      }
    }
  })
}

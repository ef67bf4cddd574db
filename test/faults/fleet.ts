import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { JournalSnapshot } from '../../apps/simulator/journal.ts'
import { startChaosProxy, type ChaosProxy } from '../support/chaos-proxy.ts'
import { startRedisProcess, type RedisProcess } from '../support/redis-process.ts'
import { startS3, type S3TestServer } from '../support/s3.ts'
import { startTier, type TierProcess } from '../support/tier-process.ts'

/** A whole gateway in real processes, with a provider that writes down what it was asked and every part killable. */
export interface Fleet {
  apis: TierProcess[]
  workers: TierProcess[]
  /** The addresses of the API processes that live. */
  urls: () => string[]
  addApi(): Promise<TierProcess>
  addWorker(...args: string[]): Promise<TierProcess>
  redis: RedisProcess
  /** Looks into Redis, past the proxy. */
  client: Redis
  /** Between the gateway and its Redis. */
  proxy: ChaosProxy
  /** Between the workers and the provider. */
  providerProxy: ChaosProxy
  s3: S3TestServer
  journal(limit?: number): Promise<JournalSnapshot>
  /** Where the processes write their logs; kept when `close` is told so. */
  directory: string
  close(): Promise<void>
}

export interface FleetOptions {
  apis: number
  workers: number
  concurrency?: number
  /** More of the provider's settings, in the file's words. */
  provider?: Record<string, unknown>
  server?: Record<string, unknown>
  models?: Record<string, unknown>[]
  retainMs?: number
  logLevel?: string
  /** Without the proxies, which cost a load test their share of the processor. */
  direct?: boolean
}

/** The provider's name: a client asks for `up/lorem?tokens=20`. */
export const providerName = 'up'

export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-faults-'))
  const [redis, s3, simulator] = await Promise.all([
    startRedisProcess(),
    startS3(),
    startTier('simulator', ['--port', '0'], join(directory, 'simulator.log')),
  ])
  const proxy = await startChaosProxy(redis.port)
  const providerProxy = await startChaosProxy(Number(new URL(simulator.ready).port))
  const config = join(directory, 'millrace.yaml')
  const ports = options.direct
    ? { redisPort: redis.port, providerPort: Number(new URL(simulator.ready).port) }
    : { redisPort: proxy.port, providerPort: providerProxy.port }
  await writeFile(config, JSON.stringify(toConfig(options, { s3, ...ports })))
  const client = new Redis({ port: redis.port, host: '127.0.0.1' })
  // It is killed and comes back: what a look into it meets in between, the look itself tells.
  client.on('error', () => undefined)

  const apis: TierProcess[] = []
  const workers: TierProcess[] = []
  const start = async (
    tier: 'api' | 'worker',
    among: TierProcess[],
    args: string[] = [],
  ): Promise<TierProcess> => {
    const logFile = join(directory, `${tier}-${among.length}.log`)
    const process = await startTier(tier, ['--config', config, '--data-dir', directory, ...args], logFile)
    among.push(process)
    return process
  }
  const fleet: Fleet = {
    apis,
    workers,
    urls: () => apis.filter(({ isAlive }) => isAlive).map(({ ready }) => ready),
    addApi: () => start('api', apis),
    addWorker: (...args) => start('worker', workers, args),
    redis,
    client,
    proxy,
    providerProxy,
    s3,
    directory,
    async journal(limit = 0) {
      const response = await fetch(`${simulator.ready}/journal?limit=${limit}`)
      return (await response.json()) as JournalSnapshot
    },
    async close() {
      await Promise.all([...apis, ...workers].map((process) => process.stop()))
      await simulator.kill()
      client.disconnect()
      await Promise.all([proxy.close(), providerProxy.close(), redis.close(), s3.close()])
      await rm(directory, { recursive: true })
    },
  }
  for (let count = 0; count < options.apis; count += 1) await fleet.addApi()
  for (let count = 0; count < options.workers; count += 1) await fleet.addWorker()
  return fleet
}

interface Surroundings {
  s3: S3TestServer
  redisPort: number
  providerPort: number
}

function toConfig(options: FleetOptions, { s3, redisPort, providerPort }: Surroundings) {
  const { bucket, endpoint, credentials } = s3.options
  return {
    server: { port: 0, drain_ms: 2_000, log_level: options.logLevel ?? 'warn', ...options.server },
    redis: { url: `redis://127.0.0.1:${redisPort}`, retain_ms: options.retainMs ?? 60_000 },
    storage: {
      driver: 's3',
      bucket,
      endpoint,
      force_path_style: true,
      access_key_id: credentials.accessKeyId,
      secret_access_key: credentials.secretAccessKey,
    },
    models: options.models ?? [],
    // Every call of a fault test is to be made, also to a provider that goes on failing.
    model_defaults: { cooldown: { duration_ms: 0 } },
    providers: {
      [providerName]: {
        type: 'openai-compatible',
        base_url: `http://127.0.0.1:${providerPort}/v1`,
        concurrency: options.concurrency ?? 500,
        buffer_size: 20_000,
        ...options.provider,
      },
    },
  }
}

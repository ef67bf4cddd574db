import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { SimulatorServerOptions } from '../../apps/simulator/server.ts'
import { startTestRedis, type TestRedis } from './redis.ts'
import type { S3TestServer } from './s3.ts'
import { startSimulator, type TestSimulator } from './simulator.ts'

/** Sections of a configuration file, in the file's own words. */
export type GatewayConfig = Readonly<Record<string, unknown>>

export interface GatewayOptions {
  /**
   * Laid over the defaults section by section. There is a provider `upstream`, which is the simulator, and so is
   * every provider without a `base_url` of its own.
   */
  config?: GatewayConfig
  apis?: number
  workers?: number
  /** Used instead of a Redis of its own, and not closed. */
  redis?: TestRedis
  /** Archives to this instead of a temporary directory. */
  s3?: S3TestServer
  simulator?: SimulatorServerOptions
}

/** A process of the gateway, which a test may kill or stop. */
export interface GatewayProcess {
  readonly tier: 'api' | 'worker'
  readonly pid: number
  /** Where an API listens, the same after a restart; empty for a worker. */
  readonly url: string
  /** Sends the signal, and resolves with the exit code when the process is gone; null if the signal ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
  /** Starts it again, with the same configuration and address. */
  restart(): Promise<void>
}

export interface Gateway {
  /** The first API's address; an OpenAI client takes `${url}/v1`. */
  readonly url: string
  readonly apis: readonly GatewayProcess[]
  readonly workers: readonly GatewayProcess[]
  readonly redis: TestRedis
  readonly simulator: TestSimulator
  readonly dataDir: string
  /** What all processes have logged. */
  output(): string
  close(): Promise<void>
}

const root = resolve(import.meta.dirname, '../..')

/** Real processes on a private Redis, with the simulator behind them. Resolves when all of them are ready. */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  const { apis = 1, workers = 1 } = options
  const opened: (() => Promise<unknown>)[] = []
  const close = async (): Promise<void> => {
    for (const closeOne of opened.splice(0).toReversed()) await closeOne()
  }
  const log: string[] = []
  try {
    const dataDir = await mkdtemp(join(tmpdir(), 'millrace-gateway-'))
    opened.push(() => rm(dataDir, { recursive: true, force: true }))
    const [redis, simulator] = await Promise.all([
      options.redis ?? startTestRedis(),
      startSimulator(options.simulator),
    ])
    opened.push(() => simulator.close())
    if (options.redis === undefined) opened.push(() => redis.close())
    const file = join(dataDir, 'millrace.yaml')
    await writeFile(file, JSON.stringify(toConfig(options, { dataDir, redis, simulator })))
    const starting = [
      ...Array.from({ length: apis }, () => startTier('api', file, log)),
      ...Array.from({ length: workers }, () => startTier('worker', file, log)),
    ]
    const settled = await Promise.allSettled(starting)
    const tiers = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
    opened.push(() => Promise.all(tiers.map((tier) => tier.stop('SIGKILL'))))
    await Promise.all(starting)
    return {
      url: tiers[0]?.url ?? '',
      apis: tiers.slice(0, apis),
      workers: tiers.slice(apis),
      redis,
      simulator,
      dataDir,
      output: () => log.join(''),
      close,
    }
  } catch (error) {
    await close()
    throw new Error(`The gateway did not start.\n${log.join('')}`, { cause: error })
  }
}

/** One gateway for all tests of a file; when a test fails, what its processes logged is shown. */
export function useGateway(options: GatewayOptions | (() => GatewayOptions) = {}): () => Gateway {
  let gateway: Gateway | undefined
  beforeAll(async () => {
    gateway = await startGateway(typeof options === 'function' ? options() : options)
  })
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') process.stderr.write(gateway?.output() ?? '')
  })
  afterAll(() => gateway?.close())
  return () => {
    if (gateway === undefined) throw new Error('The gateway runs only while tests do.')
    return gateway
  }
}

function toConfig(
  { config = {}, s3 }: GatewayOptions,
  { dataDir, redis, simulator }: { dataDir: string; redis: TestRedis; simulator: TestSimulator },
): GatewayConfig {
  return {
    data_dir: dataDir,
    ...config,
    ...(s3 !== undefined && { storage: toS3Section(s3) }),
    redis: { url: redis.url, ...(config.redis as object | undefined) },
    server: { port: 0, log_level: 'info', ...(config.server as object | undefined) },
    providers: toProviders({ upstream: {}, ...(config.providers as object | undefined) }, simulator),
  }
}

function toProviders(providers: object, { url }: TestSimulator): GatewayConfig {
  return Object.fromEntries(
    Object.entries(providers).map(([name, settings]) => [
      name,
      { type: 'openai-compatible', base_url: `${url}/v1`, ...(settings as object) },
    ]),
  )
}

function toS3Section({ options }: S3TestServer): GatewayConfig {
  return {
    driver: 's3',
    bucket: options.bucket,
    endpoint: options.endpoint,
    force_path_style: true,
    access_key_id: options.credentials.accessKeyId,
    secret_access_key: options.credentials.secretAccessKey,
  }
}

async function startTier(tier: 'api' | 'worker', file: string, log: string[]): Promise<GatewayProcess> {
  let child: ChildProcess
  let url = ''
  async function start(): Promise<void> {
    const port = url === '' ? [] : ['--port', new URL(url).port]
    child = fork(join(root, 'apps', tier, 'main.ts'), ['--config', file, ...port], {
      cwd: root,
      // What the developer has set must not reach the gateway under test.
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: join(root, '.cache/compile') },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    child.stdout?.on('data', (chunk) => log.push(String(chunk)))
    child.stderr?.on('data', (chunk) => log.push(String(chunk)))
    const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [unknown]
    if (typeof message !== 'object' || message === null) throw new Error(`The ${tier} ended at its start.`)
    if (tier === 'api') url = (message as { ready: string }).ready
  }
  await start()
  return {
    tier,
    get pid() {
      return child.pid!
    },
    get url() {
      return url
    },
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit')
        child.kill(signal)
        await exited
      }
      return child.exitCode
    },
    restart: start,
  }
}

/** Waits for a condition that no event tells of. Fails with what was being waited for. */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const giveUpAtMs = Date.now() + timeoutMs
  while (!(await isSo())) {
    if (Date.now() > giveUpAtMs) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}.`)
    await new Promise((resume) => setTimeout(resume, 20))
  }
}

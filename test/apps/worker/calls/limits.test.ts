import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '#config'
import { providerSpecs } from '#libs/providers'
import { createLogger } from '#libs/telemetry'
import type { SimulatorServerOptions } from '../../../../apps/simulator/server.ts'
import { startApi } from '../../../../apps/api/start-api.ts'
import { startWorker, type RunningWorker } from '../../../../apps/worker/worker.ts'
import { eventually } from '../../../support/gateway.ts'
import { findFreePort } from '../../../support/redis-process.ts'
import { startTestRedis, type TestRedis } from '../../../support/redis.ts'
import { startSimulator, type TestSimulator } from '../../../support/simulator.ts'

let opened: (() => Promise<unknown>)[] = []
let redis: TestRedis
let url: string
let metricsPort: number
let startAnotherWorker: () => Promise<RunningWorker>

beforeEach(async () => {
  redis = await startTestRedis()
  opened = [() => redis.close()]
})
afterEach(async () => {
  for (const close of opened.toReversed()) await close()
})

async function openSimulator(options: SimulatorServerOptions = {}): Promise<TestSimulator> {
  const simulator = await startSimulator(options)
  opened.push(() => simulator.close())
  return simulator
}

/** An API and two workers on one Redis. */
async function openGateway(settings: Record<string, unknown>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-limits-'))
  opened.push(() => rm(directory, { recursive: true }))
  const path = join(directory, 'millrace.yaml')
  await writeFile(path, JSON.stringify({ data_dir: directory, ...settings }))
  const overrides = { port: 0, redisUrl: redis.url }
  const loaded = loadConfig({ path, environment: {}, overrides, providerSpecs })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  const { config } = loaded
  const logger = createLogger({ level: 'silent', name: 'test' })
  metricsPort = await findFreePort()
  const workers: RunningWorker[] = []
  opened.push(() => Promise.all(workers.map((worker) => worker.stop(0))))
  const api = await startApi(config, logger)
  opened.push(() => api.stop(0))
  url = api.url
  workers.push(await startWorker({ config, logger, metricsPort }), await startWorker({ config, logger }))
  startAnotherWorker = async () => {
    const worker = await startWorker({ config, logger })
    workers.push(worker)
    return worker
  }
}

const provider = ({ url: base }: TestSimulator, keys: object[] = [], more = {}) => ({
  type: 'openai-compatible',
  base_url: `${base}/v1`,
  keys,
  ...more,
})

let prompts = 0
async function ask(model: string, signal?: AbortSignal): Promise<number> {
  prompts += 1
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: `prompt ${prompts}` }] }),
    ...(signal && { signal }),
  })
  await response.text()
  return response.status
}

const askMany = (count: number, model: string): Promise<number[]> =>
  Promise.all(Array.from({ length: count }, () => ask(model)))

const ok = (count: number): number[] => Array.from({ length: count }, () => 200)

test('runs take turns at the parallel limits of keys, over all workers', async () => {
  const upstream = await openSimulator()
  const keys = ['aaaa', 'bbbb'].map((value) => ({ value, limits: { parallel: 2 } }))
  await openGateway({ providers: { up: provider(upstream, keys) } })
  expect(await askMany(16, 'up/lorem?tokens=3&ttft_ms=60')).toEqual(ok(16))
  const told = upstream.journal().keys
  expect(told.aaaa?.maxInFlight).toBe(2)
  expect(told.bbbb?.maxInFlight).toBe(2)
})

test('runs beyond the limits of all keys wait, and no key is over', async () => {
  const upstream = await openSimulator({ keyLimits: { requestsPerMinute: 3 } })
  const keys = ['aaaa', 'bbbb'].map((value) => ({ value, limits: { requests_per_minute: 3 } }))
  await openGateway({ providers: { up: provider(upstream, keys) }, server: { on_disconnect: 'cancel' } })
  expect(await askMany(6, 'up/lorem?tokens=3')).toEqual(ok(6))
  await expect(ask('up/lorem?tokens=3', AbortSignal.timeout(700))).rejects.toThrow(/abort/)
  const told = upstream.journal().keys
  expect(told.aaaa).toMatchObject({ calls: 3, refused: 0, maxRequestsPerMinute: 3 })
  expect(told.bbbb).toMatchObject({ calls: 3, refused: 0, maxRequestsPerMinute: 3 })
})

test('what a provider says of its limits is kept to without being configured', async () => {
  const upstream = await openSimulator({ keyLimits: { requestsPerMinute: 2 } })
  await openGateway({
    providers: { up: provider(upstream, [{ value: 'aaaa' }, { value: 'bbbb' }]) },
    server: { on_disconnect: 'cancel' },
  })
  for (let calls = 0; calls < 4; calls++) {
    expect(await ask('up/lorem?tokens=3')).toBe(200)
    // The other worker hears of it by a message.
    await new Promise((resume) => setTimeout(resume, 50))
  }
  await expect(ask('up/lorem?tokens=3', AbortSignal.timeout(500))).rejects.toThrow(/abort/)
  const { aaaa, bbbb } = upstream.journal().keys
  expect([aaaa?.refused, bbbb?.refused]).toEqual([0, 0])
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  expect(metrics).toMatch(/millrace_key_headroom\{provider="up",key="key-\d",kind="requests"\} \d/)
})

test('a refused key is out for all workers, those that start later too, and its metric says so', async () => {
  const upstream = await openSimulator({ requiredKeys: ['good'] })
  const keys = [
    { name: 'right', value: 'good' },
    { name: 'wrong', value: 'evil', weight: 1000 },
  ]
  await openGateway({ providers: { up: provider(upstream, keys) } })
  expect(await ask('up/lorem?tokens=3')).toBe(200)
  await eventually('both workers know', async () => (await redis.held()).includes('mr:resting'))
  await startAnotherWorker()
  expect(await askMany(12, 'up/lorem?tokens=3')).toEqual(ok(12))
  expect(upstream.journal().totals.closedBy.refused).toBe(1)
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  expect(metrics).toContain('millrace_key_refused{provider="up",key="wrong"} 1')
  expect(metrics).toContain('millrace_key_refused{provider="up",key="right"} 0')
  expect(metrics).not.toContain('evil')
})

test('a key is used at its own address, and for its own models alone', async () => {
  const [first, second] = [await openSimulator(), await openSimulator()]
  const keys = [
    { value: 'aaaa', models: { allow: ['lorem?tokens=3*'] } },
    { value: 'bbbb', base_url: `${second.url}/v1`, models: { deny: ['lorem?tokens=3*'] } },
  ]
  await openGateway({ providers: { up: provider(first, keys) } })
  expect(await askMany(4, 'up/lorem?tokens=3')).toEqual(ok(4))
  expect(await askMany(3, 'up/lorem?tokens=2')).toEqual(ok(3))
  expect(first.journal().keys).toMatchObject({ aaaa: { calls: 4 } })
  expect(second.journal().keys).toMatchObject({ bbbb: { calls: 3 } })
})

test('a target and everything together have limits too, with keys or without', async () => {
  const upstream = await openSimulator()
  const model = 'lorem?tokens=3&ttft_ms=60'
  await openGateway({
    providers: { up: provider(upstream) },
    models: [{ name: 'slow', targets: [{ provider: 'up', model, limits: { parallel: 1 } }] }],
    general: { parallel: 3 },
  })
  const other = 'up/lorem?tokens=3&ttft_ms=61'
  const statuses = await Promise.all([askMany(5, 'slow'), askMany(8, other)])
  expect(statuses.flat()).toEqual(ok(13))
  const { totals } = upstream.journal()
  expect(totals.models[model]?.maxInFlight).toBe(1)
  expect(totals.maxInFlight).toBeLessThanOrEqual(3)
})

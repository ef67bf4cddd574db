import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '#config'
import { providerSpecs } from '#libs/providers'
import { createLogger } from '#libs/telemetry'
import { startApi, type RunningApi } from '../../../../apps/api/start-api.ts'
import { startWorker, type RunningWorker } from '../../../../apps/worker/worker.ts'
import { startTestRedis, type TestRedis } from '../../../support/redis.ts'
import { startSimulator, type TestSimulator } from '../../../support/simulator.ts'

let redis: TestRedis
let upstream: TestSimulator
let api: RunningApi
let worker: RunningWorker
let directory: string

beforeAll(async () => {
  redis = await startTestRedis()
  upstream = await startSimulator()
  directory = await mkdtemp(join(tmpdir(), 'millrace-keys-'))
  const path = join(directory, 'millrace.yaml')
  const provider = (keys: string) =>
    `{ type: openai-compatible, base_url: ${upstream.url}/v1, keys: [${keys}] }`
  await writeFile(
    path,
    `providers:
  one: ${provider('{ name: a, value: key-a }')}
  two: ${provider('{ name: a, value: key-a }, { name: b, value: key-b }')}
data_dir: ${directory}
`,
  )
  const overrides = { port: 0, redisUrl: redis.url }
  const loaded = loadConfig({ path, environment: {}, overrides, providerSpecs })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  const logger = createLogger({ level: 'silent', name: 'test' })
  api = await startApi(loaded.config, logger)
  worker = await startWorker({ config: loaded.config, logger })
})

afterAll(async () => {
  await api.stop(0)
  await worker.stop(0)
  await upstream.close()
  await redis.close()
  await rm(directory, { recursive: true })
})

beforeEach(() => upstream.reset())

async function ask(model: string, prompt: string): Promise<{ status: number; code: string | undefined }> {
  const response = await fetch(`${api.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: prompt }] }),
  })
  const body = (await response.json()) as { error?: { code: string } }
  return { status: response.status, code: body.error?.code }
}

const endings = (): (string | null)[] => upstream.journal().entries.map(({ keyEnding }) => keyEnding)

test('a provider that fails for a moment is called again with the only key there is', async () => {
  expect(await ask('one/lorem?tokens=3&fail=503&times=1', 'again')).toEqual({ status: 200, code: undefined })
  expect(endings()).toEqual(['ey-a', 'ey-a'])
})

test('a provider that goes on failing is told of, and not a lack of keys', async () => {
  expect(await ask('one/lorem?fail=500', 'broken')).toMatchObject({ status: 500 })
  expect(endings()).toHaveLength(3)
})

test('a limited key gives way to the other', async () => {
  expect(await ask('two/lorem?tokens=3&fail=429&times=1', 'limited')).toMatchObject({ status: 200 })
  expect(new Set(endings()).size).toBe(2)
})

test('a run waits for the only key while it rests, and is called again then', async () => {
  const startedAt = performance.now()
  const model = 'one/lorem?tokens=3&fail=429&times=1&retry_after_ms=800'
  expect(await ask(model, 'limited')).toMatchObject({ status: 200 })
  expect(performance.now() - startedAt).toBeGreaterThan(700)
  expect(endings()).toHaveLength(2)
})

test('a key that is limited for ever is told of after a few calls', async () => {
  expect(await ask('one/lorem?fail=429&retry_after_ms=50', 'limited')).toMatchObject({ status: 429 })
  expect(endings()).toHaveLength(5)
})

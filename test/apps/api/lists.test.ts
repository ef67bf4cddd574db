import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '#config'
import { providerSpecs } from '#libs/providers'
import { createLogger } from '#libs/telemetry'
import { startApi, type RunningApi } from '../../../apps/api/start-api.ts'
import { startWorker, type RunningWorker } from '../../../apps/worker/worker.ts'
import { startTestRedis, type TestRedis } from '../../support/redis.ts'

let redis: TestRedis
let api: RunningApi
let worker: RunningWorker
let directory: string

beforeAll(async () => {
  redis = await startTestRedis()
  directory = await mkdtemp(join(tmpdir(), 'millrace-lists-'))
  const overrides = { port: 0, redisUrl: redis.url, dataDir: directory }
  const loaded = loadConfig({ environment: {}, overrides, providerSpecs, workingDirectory: directory })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  // Redis forgets a run as soon as it is archived, so that a list must look into the archive.
  const config = { ...loaded.config, redis: { ...loaded.config.redis, retainMs: 1 } }
  const logger = createLogger({ level: 'silent', name: 'test' })
  api = await startApi(config, logger)
  worker = await startWorker({ config, logger })
})

afterAll(async () => {
  await api.stop(0)
  await worker.stop(0)
  await redis.close()
  await rm(directory, { recursive: true })
})

async function request(path: string, init?: RequestInit): Promise<Record<string, unknown>> {
  const response = await fetch(api.url + path, init)
  return (await response.json()) as Record<string, unknown>
}

test('lists go on telling of runs that only the archive holds', async () => {
  const created = await request('/v1/chat/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'sim/lorem?tokens=3',
      store: true,
      messages: [{ role: 'user', content: 'Keep this' }],
    }),
  })
  const id = String(created.id)
  while ((await redis.held()).some((key) => key.endsWith(id))) await sleep(20)
  expect(await request('/v1/jobs')).toMatchObject({ data: [{ id, status: 'completed' }], last_id: id })
  expect(await request('/v1/chat/completions')).toMatchObject({ data: [created], last_id: id })
  await request(`/v1/chat/completions/${id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ metadata: { kept: 'yes' } }),
  })
  expect(await request('/v1/jobs?metadata[kept]=yes')).toMatchObject({
    data: [{ id, metadata: { kept: 'yes' } }],
  })
  expect(await request(`/v1/chat/completions/${id}`)).toMatchObject({ id, metadata: { kept: 'yes' } })
  await request(`/v1/jobs/${id}`, { method: 'DELETE' })
  expect(await request('/v1/jobs')).toMatchObject({ data: [], last_id: null, has_more: false })
})

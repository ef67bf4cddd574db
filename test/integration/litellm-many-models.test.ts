import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestRedis } from '../support/redis.ts'
import { startSimulator, type TestSimulator } from '../support/simulator.ts'
import { startUp } from '../support/up.ts'

/** Twenty-eight models of a LiteLLM file over four upstreams, each with a key of its own that it insists on. */
const opened: (() => Promise<unknown>)[] = []
let upstreams: TestSimulator[]
let client: OpenAI

const plain = Array.from({ length: 20 }, (_, index) => `plain-${index + 1}`)

interface Deployment {
  model_name: string
  litellm_params: object
}

function toLitellm(): string {
  const deploy = (name: string, upstream: number, model: string, params: object = {}): Deployment => ({
    model_name: name,
    litellm_params: {
      model: `openai/${model}`,
      api_base: `${upstreams[upstream]?.url}/v1`,
      api_key: `os.environ/KEY_${upstream}`,
      ...params,
    },
  })
  const config = {
    model_list: [
      ...plain.map((name, index) => deploy(name, index % 4, `lorem?tokens=${index + 1}`)),
      deploy('shared', 0, 'lorem?tokens=31'),
      deploy('shared', 1, 'lorem?tokens=31'),
      deploy('weighted', 2, 'lorem?tokens=32', { weight: 1 }),
      deploy('weighted', 3, 'lorem?tokens=32', { weight: 0 }),
      deploy('tiered', 0, 'lorem?fail=503', { order: 1 }),
      deploy('tiered', 3, 'lorem?tokens=33', { order: 2 }),
      deploy('ill', 1, 'lorem?fail=500'),
      deploy('team/*', 3, 'lorem?*'),
      deploy('exact/lorem', 2, 'lorem?tokens=34'),
      deploy('exact/*', 1, 'lorem?tokens=35'),
      deploy('*', 2, 'lorem?tokens=36'),
    ],
    router_settings: {
      num_retries: 0,
      model_group_alias: { nick: 'plain-3' },
      fallbacks: [{ ill: ['plain-4'] }],
    },
  }
  expect(new Set(config.model_list.map(({ model_name: name }) => name)).size).toBe(28)
  return JSON.stringify(config)
}

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-litellm-'))
  opened.push(() => rm(directory, { recursive: true, force: true }))
  const redis = await startTestRedis()
  opened.push(() => redis.close())
  upstreams = await Promise.all(
    [0, 1, 2, 3].map((at) => startSimulator({ requiredKeys: [`sk-upstream-${at}`] })),
  )
  for (const upstream of upstreams) opened.push(() => upstream.close())
  const config = join(directory, 'config.yaml')
  await writeFile(config, toLitellm())
  const environment = Object.fromEntries([0, 1, 2, 3].map((at) => [`KEY_${at}`, `sk-upstream-${at}`]))
  const up = await startUp({ config, redisUrl: redis.url, directory, environment })
  opened.push(() => up.stop())
  client = new OpenAI({ baseURL: `${up.url}/v1`, apiKey: 'none', maxRetries: 0 })
})
afterAll(async () => {
  for (const close of opened.toReversed()) await close()
})
beforeEach(() => upstreams.forEach((upstream) => upstream.reset()))

/** Asks, and gives which upstreams were called for which models. */
async function ask(model: string): Promise<string[]> {
  const answer = await client.chat.completions.create({
    model,
    messages: [{ role: 'user', content: 'Hello' }],
  })
  expect(answer).toMatchObject({ model, choices: [{ finish_reason: 'stop' }] })
  await Promise.all(upstreams.map((upstream) => upstream.idle()))
  return upstreams.flatMap((upstream, at) => {
    const { entries } = upstream.journal()
    upstream.reset()
    return entries.map((entry) => `${at} ${entry.model}`)
  })
}

test('each model reaches its own upstream, under the upstream\u2019s name for it', async () => {
  for (const [index, name] of plain.entries()) {
    expect(await ask(name)).toEqual([`${index % 4} lorem?tokens=${index + 1}`])
  }
  expect(await ask('nick')).toEqual(['2 lorem?tokens=3'])
})

test('wildcards take what has no name of its own, the most specific one first', async () => {
  expect(await ask('team/tokens=7')).toEqual(['3 lorem?tokens=7'])
  expect(await ask('exact/lorem')).toEqual(['2 lorem?tokens=34'])
  expect(await ask('exact/other')).toEqual(['1 lorem?tokens=35'])
  expect(await ask('whatever')).toEqual(['2 lorem?tokens=36'])
})

test('a model with several deployments is shared among them by weight', async () => {
  const asked = new Set<string>()
  for (let times = 0; times < 20; times++) for (const call of await ask('shared')) asked.add(call)
  expect([...asked].toSorted()).toEqual(['0 lorem?tokens=31', '1 lorem?tokens=31'])
  for (let times = 0; times < 5; times++) expect(await ask('weighted')).toEqual(['2 lorem?tokens=32'])
})

test('a model that fails gives way to its next order, and to its fallback', async () => {
  expect(await ask('tiered')).toEqual(['0 lorem?fail=503', '3 lorem?tokens=33'])
  expect(await ask('ill')).toEqual(['1 lorem?fail=500', '3 lorem?tokens=4'])
})

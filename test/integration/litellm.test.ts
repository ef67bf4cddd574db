import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { startSimulator, type TestSimulator } from '../support/simulator.ts'
import { startUp } from '../support/up.ts'

const masterKey = 'sk-master-0123456789'
const opened: (() => Promise<unknown>)[] = []
let simulator: TestSimulator
let client: OpenAI

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-litellm-'))
  opened.push(() => rm(directory, { recursive: true, force: true }))
  const redis: TestRedis = await startTestRedis()
  opened.push(() => redis.close())
  simulator = await startSimulator({ requiredKeys: ['sk-upstream'] })
  opened.push(() => simulator.close())
  const config = join(directory, 'litellm.yaml')
  await writeFile(config, toYaml(`${simulator.url}/v1`))
  const up = await startUp({
    config,
    redisUrl: redis.url,
    directory,
    environment: { UPSTREAM_KEY: 'sk-upstream', LITELLM_KEY: masterKey },
  })
  opened.push(() => up.stop())
  client = new OpenAI({
    baseURL: `${up.url}/v1`,
    apiKey: masterKey,
    maxRetries: 0,
  })
})

afterAll(async () => {
  for (const close of opened.toReversed()) await close()
})

function toYaml(apiBase: string): string {
  return `
model_list:
  - model_name: corporate
    litellm_params: { model: openai/lorem, api_base: ${apiBase}, api_key: os.environ/UPSTREAM_KEY, rpm: 10 }
  - model_name: other
    litellm_params: { model: "openai/lorem?tokens=3", api_base: ${apiBase}, api_key: os.environ/UPSTREAM_KEY }
  - model_name: "team/*"
    litellm_params: { model: "openai/lorem?*", api_base: ${apiBase}, api_key: os.environ/UPSTREAM_KEY }
  - model_name: elsewhere
    litellm_params: { model: sagemaker/x }
router_settings:
  model_group_alias: { alias: other, secret: { model: other, hidden: true } }
litellm_settings: { set_verbose: no }
general_settings: { master_key: os.environ/LITELLM_KEY }
`
}

async function ask(model: string): Promise<OpenAI.ChatCompletion> {
  return client.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hello' }] })
}

test('a LiteLLM file is served: its models, its aliases and its wildcards', async () => {
  simulator.reset()
  for (const model of ['corporate', 'other', 'alias', 'secret', 'team/tokens=2']) {
    const answer = await ask(model)
    expect(answer.model).toBe(model)
  }
  await simulator.idle()

  const asked = simulator.journal().entries.map(({ model }) => model)
  expect(asked).toEqual(['lorem', 'lorem?tokens=3', 'lorem?tokens=3', 'lorem?tokens=3', 'lorem?tokens=2'])
})

test('a LiteLLM file is streamed from too', async () => {
  const stream = await client.chat.completions.create({
    model: 'alias',
    stream: true,
    messages: [{ role: 'user', content: 'Hello' }],
  })
  const words: string[] = []
  for await (const chunk of stream) words.push(chunk.choices[0]?.delta.content ?? '')

  expect(words.join('').trim().split(' ')).toHaveLength(3)
})

test('what is in its list can be asked for with its master key, and nothing else', async () => {
  const { data } = await client.models.list()
  expect(data.map(({ id }) => id)).toEqual(['corporate', 'other', 'alias', 'team/*'])
  await expect(ask('elsewhere')).rejects.toThrow('its provider sagemaker is not supported by this release')
  await expect(ask('local/lorem')).rejects.toMatchObject({ status: 400, code: 'model_not_found' })
  await expect(client.withOptions({ apiKey: 'sk-other' }).models.list()).rejects.toMatchObject({
    status: 401,
  })
})

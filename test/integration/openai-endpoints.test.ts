import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '#config'
import { providerSpecs } from '#libs/providers'
import { createLogger } from '#libs/telemetry'
import { startApi, type RunningApi } from '../../apps/api/start-api.ts'
import { startWorker, type RunningWorker } from '../../apps/worker/worker.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { startSimulator, type TestSimulator } from '../support/simulator.ts'

let redis: TestRedis
let simulator: TestSimulator
let upstream: Server
let api: RunningApi
let worker: RunningWorker
let directory: string
let client: OpenAI

/** What the upstream answers, by path; it sends back the request beside it. */
const answers: Record<string, object> = {
  '/v1/moderations': { id: 'modr-1', model: 'omni', results: [{ flagged: true, categories: {} }] },
  '/v1/images/generations': { created: 1, data: [{ b64_json: 'aGk=' }], usage: { input_tokens: 3 } },
  '/v1/rerank': { id: 'r', results: [{ index: 1, relevance_score: 0.9 }], usage: { total_tokens: 7 } },
}
const completion = [
  'data: {"id":"cmpl-x","object":"text_completion","created":1,"model":"m","choices":[{"text":"Hal","index":0,"logprobs":null,"finish_reason":null}]}',
  'data: {"id":"cmpl-x","object":"text_completion","created":1,"model":"m","choices":[{"text":"lo","index":0,"logprobs":null,"finish_reason":null}]}',
  'data: {"id":"cmpl-x","object":"text_completion","created":1,"model":"m","choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}]}',
  'data: {"id":"cmpl-x","object":"text_completion","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}',
  'data: [DONE]',
]

beforeAll(async () => {
  redis = await startTestRedis()
  simulator = await startSimulator()
  upstream = createServer((request, response) => {
    request.resume().once('end', () => {
      const answer = answers[request.url ?? '']
      if (answer === undefined) {
        response.setHeader('content-type', 'text/event-stream')
        response.end(completion.map((event) => `${event}\n\n`).join(''))
        return
      }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(answer))
    })
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  directory = await mkdtemp(join(tmpdir(), 'millrace-endpoints-'))
  const { port } = upstream.address() as AddressInfo
  const path = join(directory, 'millrace.yaml')
  await writeFile(
    path,
    `data_dir: ${directory}
providers:
  up: { type: openai-compatible, base_url: "http://127.0.0.1:${port}/v1" }
  apart: { type: openai-compatible, base_url: "${simulator.url}/v1" }
`,
  )
  const loaded = loadConfig({
    path,
    environment: {},
    overrides: { port: 0, redisUrl: redis.url },
    providerSpecs,
  })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  const logger = createLogger({ level: 'silent', name: 'test' })
  api = await startApi(loaded.config, logger)
  worker = await startWorker({ config: loaded.config, logger })
  client = new OpenAI({ apiKey: 'none', baseURL: `${api.url}/v1`, maxRetries: 0 })
})

afterAll(async () => {
  await api.stop(0)
  await worker.stop(0)
  upstream.close()
  upstream.closeAllConnections()
  await simulator.close()
  await redis.close()
  await rm(directory, { recursive: true })
})

async function embed(model: string, input: string[]): Promise<number[][]> {
  const { data } = await client.embeddings.create({ model, input })
  return data.map(({ embedding }) => [...embedding])
}

function cosine(one: number[] = [], other: number[] = []): number {
  return one.reduce((sum, value, index) => sum + value * (other[index] ?? 0), 0)
}

describe('embeddings', () => {
  test('of the simulators are the same for the same text, and near for texts that share words', async () => {
    const texts = ['the cat sat on the mat', 'a cat on a mat', 'quarterly revenue grew']
    const inside = await embed('sim/lorem', texts)

    expect(await embed('apart/lorem', texts)).toEqual(inside)
    expect(inside[0]).toHaveLength(256)
    expect(cosine(inside[0], inside[0])).toBeCloseTo(1, 4)
    expect(cosine(inside[0], inside[1])).toBeGreaterThan(cosine(inside[0], inside[2]))
  })

  test('are numbers where the client asks for them, in as many dimensions as it says', async () => {
    const answer = await client.embeddings.create({
      model: 'sim/lorem',
      input: 'hello',
      encoding_format: 'float',
      dimensions: 8,
    })

    expect(answer.data[0]?.embedding).toHaveLength(8)
    expect(answer).toMatchObject({ object: 'list', model: 'sim/lorem', usage: { prompt_tokens: 1 } })
  })

  test('can be asked for later, and are a job with an answer and no events', async () => {
    const { data: job, response } = await client.embeddings
      .create({ model: 'apart/lorem', input: 'hello' }, { headers: { prefer: 'respond-async, wait=10' } })
      .withResponse()
    const location = response.headers.get('location') ?? ''

    expect(response.status).toBe(202)
    expect(location).toMatch(/^\/v1\/jobs\/embd_/)
    expect(job).toMatchObject({ status: 'completed', endpoint: '/v1/embeddings' })
    const result = await fetch(`${api.url}${location}/result`)
    expect(await result.json()).toMatchObject({ object: 'list', model: 'apart/lorem' })
    const events = await fetch(`${api.url}${location}/events`)
    expect(events.status).toBe(400)
    expect(await events.text()).toContain('answers in one piece')
  })

  test('are refused before they are queued when they make no sense', async () => {
    const send = (body: object) =>
      fetch(`${api.url}/v1/embeddings`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    for (const [body, param] of [
      [{ input: 'x' }, 'model'],
      [{ model: 'sim/lorem' }, 'input'],
      [{ model: 'sim/lorem', input: 'x', stream: true }, 'stream'],
      [{ model: 'sim/lorem', input: [''] }, 'input'],
    ] as const) {
      const response = await send(body)
      expect(response.status).toBe(400)
      expect(await response.json()).toMatchObject({ error: { param } })
    }
  })
})

describe('the other endpoints of OpenAI', () => {
  test('pass the answer on, under the name of the model that was asked for', async () => {
    expect(await client.moderations.create({ model: 'up/omni', input: 'hi' })).toEqual({
      ...answers['/v1/moderations'],
      model: 'up/omni',
    })
    expect(await client.images.generate({ model: 'up/img', prompt: 'a cat' })).toEqual(
      answers['/v1/images/generations'],
    )
    for (const path of ['/v1/rerank', '/v2/rerank']) {
      const response = await fetch(`${api.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'up/rank', query: 'q', documents: ['a', 'b'] }),
      })
      expect(await response.json()).toEqual(answers['/v1/rerank'])
    }
  })

  test('stream a completion, which can be read again as a whole', async () => {
    const { data: stream, response } = await client.completions
      .create({ model: 'up/m', prompt: 'Say hallo', stream: true, stream_options: { include_usage: true } })
      .withResponse()
    const chunks = await Array.fromAsync(stream)
    const rid = response.headers.get('x-millrace-run')

    expect(rid).toMatch(/^cmpl-/)
    expect(chunks.map(({ choices }) => choices[0]?.text ?? '').join('')).toBe('Hallo')
    expect(chunks.at(-1)?.usage?.total_tokens).toBe(3)
    expect(chunks[0]).toMatchObject({ id: rid, object: 'text_completion', model: 'up/m' })
    const result = await fetch(`${api.url}/v1/jobs/${rid}/result`)
    expect(await result.json()).toMatchObject({
      id: rid,
      object: 'text_completion',
      choices: [{ text: 'Hallo', index: 0, finish_reason: 'stop' }],
      usage: { total_tokens: 3 },
    })
  })

  test('cannot be answered by a provider that has none of it', async () => {
    await expect(client.moderations.create({ model: 'sim/lorem', input: 'hi' })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining("can't answer /v1/moderations"),
    })
  })
})

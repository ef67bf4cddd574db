import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'

const fixtures = join(import.meta.dirname, '../fixtures/vertex')
const key = 'key-of-the-gateway-0123456789'
const place = '/v1/projects/p-1/locations/europe-west1'

/** The fixture that answers, by the method that is called. */
const answers = new Map([
  ['generateContent', 'answer.json'],
  ['streamGenerateContent?alt=sse', 'stream.sse'],
  ['rawPredict', 'claude.json'],
  ['streamRawPredict', 'claude.sse'],
])

let server: Server
let calls: { path: string; token: string | undefined; body: Record<string, unknown> }[] = []

beforeAll(async () => {
  server = createServer((request, response) => {
    void text(request).then(async (body) => {
      const { url: path = '', headers } = request
      calls.push({ path, token: headers.authorization, body: JSON.parse(body) as Record<string, unknown> })
      const count = path.includes('/count-tokens:') ? 'claude-token-count.json' : undefined
      const file = count ?? answers.get(path.split(':').at(-1) ?? '') ?? 'error.json'
      response.setHeader('content-type', file.endsWith('.sse') ? 'text/event-stream' : 'application/json')
      response.writeHead(file === 'error.json' ? 404 : 200).end(await readFile(join(fixtures, file)))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
beforeEach(() => {
  calls = []
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const gateway = useGateway(() => ({
  config: {
    keys: [{ key, tenant: 'acme' }],
    providers: {
      gcp: {
        type: 'vertex',
        base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/projects/{project}/locations/{location}`,
        options: { project: 'p-1', location: 'europe-west1' },
        keys: [{ value: 'ya29.upstream' }],
      },
    },
  },
}))

const openai = () => new OpenAI({ apiKey: key, baseURL: `${gateway().url}/v1`, maxRetries: 0 })
const anthropic = () => new Anthropic({ apiKey: key, baseURL: gateway().url, maxRetries: 0 })
const google = () => new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: gateway().url } })

const messages = [{ role: 'user' as const, content: 'What is the weather in Paris?' }]
const prompt = { max_tokens: 64, messages }
const claude = 'gcp/claude-sonnet-4-5@20250929'

test('OpenAI’s client hears Gemini and Claude', async () => {
  for (const model of ['gcp/gemini-2.5-flash', claude]) {
    const stream = openai().chat.completions.stream({ model, messages })
    const answer = await stream.finalChatCompletion()
    expect(answer.choices[0]).toMatchObject({ message: { content: 'It is 9 °C.' }, finish_reason: 'stop' })
  }
  expect(calls.map(({ path }) => path)).toEqual([
    `${place}/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse`,
    `${place}/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict`,
  ])
  expect(calls.map(({ token }) => token)).toEqual(Array(2).fill('Bearer ya29.upstream'))
})

test('Google’s client hears Gemini as it speaks', async () => {
  const contents = messages[0]?.content ?? ''
  const answer = await google().models.generateContent({ model: 'gcp/gemini-2.5-flash', contents })

  expect(answer.text).toBe('The quick brown fox.')
  expect(calls[0]?.path).toBe(`${place}/publishers/google/models/gemini-2.5-flash:generateContent`)
  expect(calls[0]?.body).toEqual({ contents: [{ role: 'user', parts: [{ text: contents }] }] })
})

test('Anthropic’s client hears Claude as it speaks, whole and streamed, but for Google’s own events', async () => {
  const whole = await anthropic().messages.create({ ...prompt, model: claude })
  const types: string[] = []
  const stream = anthropic().messages.stream({ ...prompt, model: claude })
  stream.on('streamEvent', ({ type }) => types.push(type))
  const streamed = await stream.finalMessage()

  for (const { content } of [whole, streamed]) expect(content).toMatchObject([{ text: 'It is 9 °C.' }])
  expect(types).not.toContain('vertex_event')
  expect(calls.map(({ body }) => body)).toEqual([
    { anthropic_version: 'vertex-2023-10-16', ...prompt },
    { anthropic_version: 'vertex-2023-10-16', ...prompt, stream: true },
  ])
})

test('tokens are counted by Claude, and estimated for a model of another maker', async () => {
  const count = await anthropic().messages.countTokens({ messages, model: claude })
  const { response } = await anthropic()
    .messages.countTokens({ messages, model: 'gcp/gemini-2.5-flash' })
    .withResponse()

  expect(count.input_tokens).toBe(14)
  expect(response.headers.get('x-millrace-token-count')).toBe('estimate')
  expect(calls.map(({ path }) => path)).toEqual([
    `${place}/publishers/anthropic/models/count-tokens:rawPredict`,
  ])
})

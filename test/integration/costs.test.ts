import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, describe, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'
import type { JsonObject } from '../support/http.ts'

const directory = mkdtempSync(join(tmpdir(), 'millrace-costs-'))
afterAll(() => rmSync(directory, { recursive: true }))
const file = join(directory, 'prices.json')
writeFileSync(
  file,
  JSON.stringify({
    source: 'our contract',
    prices: [{ provider: 'sim', model: '*', input_per_million: 10, output_per_million: 20 }],
  }),
)

const messages = [{ role: 'user' as const, content: 'Hello, what does this cost?' }]
const lorem = 'lorem?tokens=5'
const gateway = useGateway({
  config: {
    prices: file,
    models: [
      {
        name: 'house',
        targets: [
          { provider: 'upstream', model: lorem, prices: { input_per_million: 1, output_per_million: 2.5 } },
        ],
      },
      { name: 'broken', targets: [{ provider: 'upstream', model: 'lorem?tokens=5&fail=truncate&at=3' }] },
      { name: 'refused', targets: [{ provider: 'upstream', model: 'lorem?fail=400' }] },
      { name: 'nameless', targets: [{ provider: 'upstream', model: 'lorem?tokens=4' }] },
    ],
  },
})

async function post(path: string, body: object, headers: Record<string, string> = {}) {
  const response = await fetch(`${gateway().url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  return { response, text, cost: response.headers.get('x-millrace-cost') }
}

async function jobOf(response: Response): Promise<JsonObject> {
  const found = await fetch(`${gateway().url}/v1/jobs/${response.headers.get('x-millrace-run')}`)
  return (await found.json()) as JsonObject
}

const withCost = { 'x-millrace-include-cost': 'true' }

describe('a whole answer', () => {
  test('tells its cost in a header, and its job in nanodollars and with its source', async () => {
    const { response, text, cost } = await post('/v1/chat/completions', { model: 'house', messages })
    const { usage } = JSON.parse(text) as OpenAI.ChatCompletion
    const nanodollars = usage!.prompt_tokens * 1000 + 5 * 2500

    expect(usage).not.toHaveProperty('cost')
    expect(Number(cost)).toBeCloseTo(nanodollars / 1e9, 12)
    expect(cost).toMatch(/^0\.0000\d+$/)
    expect((await jobOf(response)).cost).toEqual({ nanodollars, source: 'configuration' })
  })

  test('has it in its usage when it was asked for, natively and translated', async () => {
    for (const [path, body, read] of [
      ['/v1/chat/completions', { model: 'house', messages }, (json: JsonObject) => json.usage.cost],
      ['/v1/responses', { model: 'house', input: 'Hello' }, (json: JsonObject) => json.usage.cost],
      ['/v1/messages', { model: 'house', max_tokens: 9, messages }, (json: JsonObject) => json.usage.cost],
      ['/v1/generate', { model: 'house', messages, stream: false }, (json: JsonObject) => json.cost],
    ] as const) {
      const { text, cost } = await post(path, body, withCost)
      expect(read(JSON.parse(text) as JsonObject), path).toBe(Number(cost))
    }
  })

  test('has the price of the operator’s file', async () => {
    const { response, cost } = await post('/v1/chat/completions', { model: `sim/${lorem}`, messages })
    expect(Number(cost)).toBeGreaterThan(0.0001)
    expect((await jobOf(response)).cost.source).toBe('our contract')
  })

  test('of a model without a price says that nobody knows, and never 0', async () => {
    const { response, text, cost } = await post(
      '/v1/chat/completions',
      { model: 'nameless', messages },
      withCost,
    )
    expect(cost).toBeNull()
    expect(JSON.parse(text)).toMatchObject({ usage: { cost: null, completion_tokens: 4 } })
    expect((await jobOf(response)).cost).toEqual({ nanodollars: null, source: null })
  })

  test('of Gemini’s dialect has its cost in the header alone, since its clients refuse unknown fields', async () => {
    const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }]
    const { text, cost } = await post('/v1beta/models/house:generateContent', { contents }, withCost)
    expect(Number(cost)).toBeGreaterThan(0)
    expect(text).not.toContain('"cost"')
  })
})

describe('a stream', () => {
  test('of OpenAI’s ends with a usage that has the cost, though no usage was asked for', async () => {
    const client = new OpenAI({ baseURL: `${gateway().url}/v1`, apiKey: 'none', maxRetries: 0 })
    const { data, response } = await client.chat.completions
      .create({ model: 'house', messages, stream: true }, { headers: withCost })
      .withResponse()
    const usages: unknown[] = []
    for await (const { usage } of data) if (usage) usages.push(usage)

    const { cost } = await jobOf(response)
    expect(usages).toEqual([expect.objectContaining({ completion_tokens: 5, cost: cost.nanodollars / 1e9 })])
  })

  test('of OpenAI’s has neither counts nor cost unless they are asked for', async () => {
    const { text } = await post('/v1/chat/completions', { model: 'house', messages, stream: true })
    expect(text).not.toContain('"usage":{')
    expect(text).not.toContain('cost')
  })

  test('of Responses has it in the event that completes the response', async () => {
    const client = new OpenAI({ baseURL: `${gateway().url}/v1`, apiKey: 'none', maxRetries: 0 })
    const { data, response } = await client.responses
      .create({ model: 'house', input: 'Hello', stream: true }, { headers: withCost })
      .withResponse()
    const usages: unknown[] = []
    for await (const event of data) if (event.type === 'response.completed') usages.push(event.response.usage)

    const { cost } = await jobOf(response)
    expect(usages).toEqual([expect.objectContaining({ cost: cost.nanodollars / 1e9 })])
  })

  test('of Anthropic’s has it in the last counts, and its client reads it', async () => {
    const client = new Anthropic({ baseURL: gateway().url, apiKey: 'none', maxRetries: 0 })
    const stream = client.messages.stream({ model: 'house', max_tokens: 9, messages }, { headers: withCost })
    const { usage } = await stream.finalMessage()
    const usages: unknown[] = []
    const { text } = await post(
      '/v1/messages',
      { model: 'house', max_tokens: 9, messages, stream: true },
      withCost,
    )
    for (const [, data] of text.matchAll(/^data: (.*message_delta.*)$/gm)) {
      usages.push((JSON.parse(data ?? '') as JsonObject).usage)
    }
    expect(usages).toEqual([
      expect.objectContaining({ output_tokens: 5, cost: expect.any(Number) as number }),
    ])
    expect(usage.output_tokens).toBe(5)
  })

  test('of unified blocks has it in the event that ends it', async () => {
    const { text } = await post('/v1/generate', { model: 'house', messages }, withCost)
    const [, done = '{}'] = /^event: done\ndata: (.*)$/m.exec(text) ?? []
    expect(JSON.parse(done)).toMatchObject({ tokens: { output: 5 }, cost: expect.any(Number) as number })
  })

  test('that broke off may have been paid for, and nobody knows how much', async () => {
    const { response } = await post('/v1/chat/completions', { model: 'broken', messages, stream: true })
    const job = await jobOf(response)
    expect(job).toMatchObject({ status: 'failed', cost: { nanodollars: null, source: null } })
  })
})

test('a request that its provider refused has no cost', async () => {
  const { response, cost } = await post('/v1/chat/completions', { model: 'refused', messages })
  expect(response.status).toBe(400)
  expect(cost).toBeNull()
  expect((await jobOf(response)).cost).toBeNull()
})

test('the cost is asked for with true or false', async () => {
  const wrong = { 'x-millrace-include-cost': 'yes' }
  const { response, text } = await post('/v1/chat/completions', { model: 'house', messages }, wrong)
  expect(response.status).toBe(400)
  expect(text).toContain('x-millrace-include-cost is true or false.')
})

import { Redis } from 'ioredis'
import OpenAI from 'openai'
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses'
import { zodTextFormat } from 'openai/helpers/zod'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { keys } from '#libs/redis'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi } from '../support/http.ts'

const gateway = useGateway({
  apis: 2,
  config: {
    redis: { retain_ms: 400 },
    keys: [
      { key: 'first-key', tenant: 'first' },
      { key: 'second-key', tenant: 'second' },
    ],
  },
})

const authorization = { authorization: 'Bearer first-key' }

function client(api = 0, apiKey = 'first-key'): OpenAI {
  return new OpenAI({ apiKey, baseURL: `${gateway().apis[api]?.url}/v1`, maxRetries: 0 })
}

async function readAll(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = []
  for await (const event of stream) events.push(event)
  return events
}

describe('a response', () => {
  test('is made in one piece, and can be had again', async () => {
    const made = await client().responses.create({
      model: 'sim/lorem?tokens=5&gap_ms=0',
      input: 'Hello',
      instructions: 'Be brief.',
      metadata: { a: 'b' },
    })
    expect(made).toMatchObject({
      id: expect.stringMatching(/^resp_[0-9a-f]{32}$/),
      object: 'response',
      status: 'completed',
      model: 'sim/lorem?tokens=5&gap_ms=0',
      instructions: 'Be brief.',
      metadata: { a: 'b' },
      usage: { output_tokens: 5 },
    })
    expect(made.output_text.split(' ').length).toBeGreaterThan(2)
    expect(await client(1).responses.retrieve(made.id)).toEqual(made)
  })

  test('streams in the order of OpenAI, and its helper makes the same response of it', async () => {
    const body = { model: 'sim/lorem?tokens=5&gap_ms=0', input: 'Hello' }
    const events = await readAll(await client().responses.create({ ...body, stream: true }))
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      ...Array<string>(5).fill('response.output_text.delta'),
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    expect(events.map((event) => event.sequence_number)).toEqual([...events.keys()])
    const helped = await client().responses.stream(body).finalResponse()
    expect(events.at(-1)).toMatchObject({
      response: { output: [{ content: [{ text: helped.output_text }] }] },
    })
    expect(await client().responses.retrieve(helped.id)).toMatchObject({ output_text: helped.output_text })
  })

  test('streams again from the start or from any event, also once it has ended or was never streamed', async () => {
    const made = await client().responses.create({ model: 'sim/lorem?tokens=5&gap_ms=0', input: 'x' })
    const streamed = client().responses.stream({ model: 'sim/lorem?tokens=5&gap_ms=0', input: 'x' })
    const { id } = await streamed.finalResponse()
    for (const rid of [made.id, id]) {
      const all = await readAll(await client(1).responses.retrieve(rid, { stream: true }))
      const rest = await readAll(await client(1).responses.retrieve(rid, { stream: true, starting_after: 3 }))
      expect(rest).toEqual(all.slice(4))
      const helper = client(1).responses.stream({ response_id: rid, starting_after: 3 })
      const seen: number[] = []
      for await (const event of helper) seen.push(event.sequence_number)
      expect(seen).toEqual(all.slice(4).map((event) => event.sequence_number))
      expect((await helper.finalResponse()).output_text).toBe(made.output_text)
      const none = await client().responses.retrieve(rid, { stream: true, starting_after: all.length - 1 })
      expect(await readAll(none)).toEqual([])
    }
  })

  test('is whole when only the archive knows of it', async () => {
    const redis = new Redis(gateway().redis.url)
    const made = await client().responses.stream({ model: 'sim/lorem?tokens=5', input: 'x' }).finalResponse()
    await eventually('Redis has forgotten the run', async () => (await redis.exists(keys.run(made.id))) === 0)
    redis.disconnect()
    expect(await client().responses.retrieve(made.id)).toMatchObject({ output_text: made.output_text })
    const replayed = client(1).responses.stream({ response_id: made.id })
    expect((await replayed.finalResponse()).output_text).toBe(made.output_text)
    expect((await client().responses.inputItems.list(made.id)).data).toHaveLength(1)
    const next = { model: 'sim/lorem?tokens=2&gap_ms=0', input: 'y', previous_response_id: made.id }
    expect((await client().responses.create(next)).previous_response_id).toBe(made.id)
  })

  test('tells ids of events to those who ask for events, and to nobody else', async () => {
    const url = `${gateway().url}/v1/responses`
    const body = { model: 'sim/lorem?tokens=2&gap_ms=0', input: 'x', stream: true }
    const plain = await callApi(url, { body, headers: authorization })
    const accept = { ...authorization, accept: 'text/event-stream' }
    const withIds = await callApi(url, { body, headers: accept })
    expect(plain.text).toMatch(/^event: response\.created\ndata: \{/)
    expect(plain.text).not.toMatch(/^id:/m)
    expect(plain.text).toMatch(/\n\ndata: \[DONE]\n\n$/)
    const rid = withIds.headers.get('x-millrace-run')
    expect(withIds.text).toMatch(new RegExp(`^id: ${rid}:0\nevent: response\\.created\n`))
    const resumed = await callApi(url, { body, headers: { ...accept, 'last-event-id': `${rid}:1` } })
    expect(resumed.text.startsWith(`id: ${rid}:2\n`)).toBe(true)
    expect(withIds.text.endsWith(resumed.text)).toBe(true)
  })

  test('parses what it was told the shape of', async () => {
    const place = z.object({ city: z.string(), size: z.int() })
    const parsed = await client().responses.parse({
      model: 'sim/lorem',
      input: 'x',
      text: { format: zodTextFormat(place, 'place') },
    })
    expect(parsed.output_parsed).toEqual({
      city: expect.any(String),
      size: expect.any(Number),
    })
    expect(parsed.text?.format).toMatchObject({ type: 'json_schema', name: 'place' })
  })

  test('is deleted for good', async () => {
    const { id } = await client().responses.create({ model: 'sim/lorem?tokens=2', input: 'x' })
    const answer = await callApi(`${gateway().url}/v1/responses/${id}`, {
      method: 'DELETE',
      headers: authorization,
    })
    expect(answer.json).toEqual({ id, object: 'response', deleted: true })
    await expect(client(1).responses.retrieve(id)).rejects.toMatchObject({ status: 404 })
    await expect(client().responses.delete(id)).rejects.toMatchObject({ status: 404 })
  })

  test('lists its input, and estimates it', async () => {
    const input = ['a', 'b', 'c'].map((content) => ({ role: 'user' as const, content }))
    const { id } = await client().responses.create({ model: 'sim/lorem?tokens=2&gap_ms=0', input })
    const page = await client().responses.inputItems.list(id, { limit: 2 })
    expect(page.data).toMatchObject([
      { content: [{ text: 'c', type: 'input_text' }] },
      { content: [{ text: 'b' }] },
    ])
    const texts: unknown[] = []
    for await (const item of page) texts.push((item as { content: { text: string }[] }).content[0]?.text)
    expect(texts).toEqual(['c', 'b', 'a'])
    const counted = await client().responses.inputTokens.count({ model: 'm', input: 'x'.repeat(400) })
    expect(counted).toEqual({ object: 'response.input_tokens', input_tokens: 100 })
  })

  test('is nobody else’s', async () => {
    const { id } = await client().responses.create({ model: 'sim/lorem?tokens=2', input: 'x' })
    const foreign = client(0, 'second-key')
    const missing = { status: 404, code: 'response_not_found' }
    const messages = [{ role: 'user' as const, content: 'x' }]
    const chat = await client().chat.completions.create({ model: 'sim/lorem?tokens=2', messages })
    await expect(client().responses.retrieve(chat.id)).rejects.toMatchObject(missing)
    await expect(foreign.responses.retrieve(id)).rejects.toMatchObject(missing)
    await expect(foreign.responses.retrieve(id, { stream: true })).rejects.toMatchObject(missing)
    await expect(foreign.responses.cancel(id)).rejects.toMatchObject(missing)
    await expect(foreign.responses.delete(id)).rejects.toMatchObject(missing)
    await expect(foreign.responses.inputItems.list(id)).rejects.toMatchObject(missing)
    await expect(
      foreign.responses.create({ model: 'sim/lorem', input: 'x', previous_response_id: id }),
    ).rejects.toMatchObject({ status: 400, code: 'previous_response_not_found' })
  })
})

describe('a failure', () => {
  test('before the first event has its own status', async () => {
    const create = (body: object) =>
      client().responses.create({ model: 'sim/lorem?fail=429', input: 'x', ...body })
    await expect(create({})).rejects.toMatchObject({ status: 429, code: 'rate_limit_exceeded' })
    await expect(create({ stream: true })).rejects.toMatchObject({ status: 429 })
    await expect(create({ model: 'nobody/x' })).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    })
    await expect(create({ model: 'sim/lorem', tools: [{ type: 'web_search' }] })).rejects.toMatchObject({
      status: 400,
      param: 'tools[0].type',
      message: /web_search/,
    })
    await expect(create({ model: 'sim/lorem', input: 7 })).rejects.toMatchObject({ param: 'input' })
  })

  test('in mid-stream is thrown, and the failed response holds what was said', async () => {
    const model = 'sim/lorem?tokens=9&gap_ms=0&fail=500&at=4'
    const stream = await client().responses.create({ model, input: 'x', stream: true })
    const seen: ResponseStreamEvent[] = []
    const reading = (async () => {
      for await (const event of stream) seen.push(event)
    })()
    await expect(reading).rejects.toThrow(/failed with 500/)
    const id = (seen[0] as { response: Response }).response.id
    const failed = await client().responses.retrieve(id)
    expect(failed).toMatchObject({
      status: 'failed',
      error: { code: 'upstream_error' },
      output: [{ status: 'incomplete' }],
    })
    expect(failed.output_text).not.toBe('')
    const raw = await callApi(`${gateway().url}/v1/responses/${id}?stream=true`, { headers: authorization })
    expect(raw.text).toMatch(/event: error\n.*\n\nevent: response\.failed\n.*\n\ndata: \[DONE]\n\n$/)
  })
})

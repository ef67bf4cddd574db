import OpenAI, {
  APIConnectionTimeoutError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from 'openai'
import { beforeEach, describe, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'

const gateway = useGateway({
  config: {
    keys: [{ key: 'sk-first', tenant: 'first' }],
    models: [{ name: 'house', targets: [{ provider: 'upstream', model: 'lorem?tokens=12' }] }],
  },
})
let client: OpenAI
beforeEach(async () => {
  await gateway().simulator.idle()
  gateway().simulator.reset()
  client = new OpenAI({ apiKey: 'sk-first', baseURL: `${gateway().url}/v1` })
})
const messages = [{ role: 'user' as const, content: 'Hello' }]
const calls = () => gateway().simulator.journal().totals.calls

const weather = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

describe('the openai package', () => {
  test('gets an answer, with its id and headers', async () => {
    const { data, response, request_id } = await client.chat.completions
      .create({ model: 'house', messages })
      .withResponse()
    expect(data).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/),
      object: 'chat.completion',
      model: 'house',
      choices: [{ finish_reason: 'stop', message: { role: 'assistant' } }],
      usage: { completion_tokens: 12 },
    })
    expect(request_id).toMatch(/^req_[0-9a-f]{32}$/)
    expect(Object.fromEntries(response.headers)).toMatchObject({
      location: `/v1/chat/completions/${data.id}`,
      'x-millrace-provider': 'upstream',
      'x-millrace-model': 'lorem?tokens=12',
      'x-millrace-attempts': '1',
    })
  })

  test('streams, and gets the usage only if it asks for it', async () => {
    const read = async (options: object) => {
      const stream = await client.chat.completions.create({
        model: 'house',
        messages,
        stream: true,
        ...options,
      })
      const chunks: OpenAI.ChatCompletionChunk[] = []
      for await (const chunk of stream) chunks.push(chunk)
      return chunks
    }
    const plain = await read({})
    expect(plain.flatMap(({ choices }) => choices[0]?.delta.content ?? '').join('')).toMatch(/^Lorem ipsum/)
    expect(plain.at(-1)?.choices[0]?.finish_reason).toBe('stop')
    expect(plain.every(({ usage }) => !usage)).toBe(true)
    const counted = await read({ stream_options: { include_usage: true } })
    expect(counted.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 12 } })
  })

  test('its stream helper puts a tool call together', async () => {
    const events: string[] = []
    const stream = client.chat.completions
      .stream({ model: 'house', messages, tools: [weather], tool_choice: 'required' })
      .on('tool_calls.function.arguments.done', ({ name }) => events.push(name))
    const completion = await stream.finalChatCompletion()
    expect(completion.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ type: 'function', function: { name: 'get_weather' } }] },
    })
    expect(events).toEqual(['get_weather'])
    expect(await client.chat.completions.retrieve(completion.id)).toMatchObject({
      choices: [{ message: { tool_calls: [{ function: { name: 'get_weather' } }] } }],
    })
  })

  test('retrieves, lists page by page and deletes what it stored', async () => {
    const ids: string[] = []
    for (let count = 0; count < 5; count += 1) {
      const { id } = await client.chat.completions.create({
        model: 'house',
        messages,
        store: true,
        metadata: { count: String(count) },
      })
      ids.push(id)
    }
    const unstored = await client.chat.completions.create({ model: 'house', messages })
    expect(await client.chat.completions.retrieve(ids[0]!)).toMatchObject({ id: ids[0], model: 'house' })

    const listed: string[] = []
    for await (const { id } of client.chat.completions.list({ limit: 2 })) listed.push(id)
    expect(listed).toEqual(ids)
    expect(listed).not.toContain(unstored.id)
    const newest = await client.chat.completions.list({ limit: 2, order: 'desc' })
    expect(newest.data.map(({ id }) => id)).toEqual(ids.toReversed().slice(0, 2))
    expect(newest.has_more).toBe(true)

    expect(await client.chat.completions.delete(ids[0]!)).toEqual({
      id: ids[0],
      object: 'chat.completion.deleted',
      deleted: true,
    })
    await expect(client.chat.completions.retrieve(ids[0]!)).rejects.toThrow(NotFoundError)
    const left = await client.chat.completions.list()
    expect(left.data.map(({ id }) => id)).toEqual(ids.slice(1))
  })

  test.each(['asc', 'desc'] as const)('deletes all that it lists %s, while it lists', async (order) => {
    const metadata = { order }
    const create = () => client.chat.completions.create({ model: 'house', messages, store: true, metadata })
    await Promise.all(Array.from({ length: 7 }, create))
    let deleted = 0
    for await (const { id } of client.chat.completions.list({ limit: 2, order })) {
      await client.chat.completions.delete(id)
      deleted += 1
    }
    expect(deleted).toBeGreaterThanOrEqual(7)
    expect((await client.chat.completions.list()).data).toEqual([])
  })

  test('finds what it stored by model and metadata, changes it, and reads its messages', async () => {
    const create = (fields: object) =>
      client.chat.completions.create({ model: 'house', messages, store: true, ...fields })
    const blue = await create({ metadata: { team: 'blue', of: 'mine' } })
    await create({ metadata: { team: 'red' } })
    const of = { messages, store: true, metadata: { team: 'blue' } }
    await client.chat.completions.stream({ ...of, model: 'upstream/lorem?tokens=3' }).finalContent()
    const find = async (query: OpenAI.ChatCompletionListParams) => {
      const found: string[] = []
      for await (const { id } of client.chat.completions.list({ limit: 1, ...query })) found.push(id)
      return found
    }
    expect(await find({ metadata: { team: 'blue' } })).toHaveLength(2)
    expect(await find({ metadata: { team: 'blue' }, model: 'house' })).toEqual([blue.id])
    expect(await find({ metadata: { team: 'blue', of: 'yours' } })).toEqual([])

    const changed = await client.chat.completions.update(blue.id, { metadata: { team: 'green' } })
    expect(changed).toMatchObject({ id: blue.id, choices: blue.choices, metadata: { team: 'green' } })
    expect(await client.chat.completions.retrieve(blue.id)).toEqual(changed)
    expect(await find({ metadata: { team: 'green' } })).toEqual([blue.id])
    expect(await client.chat.completions.update(blue.id, { metadata: null })).toMatchObject({ metadata: {} })

    const parts = [{ type: 'text' as const, text: 'Look' }]
    const asked = await create({ messages: [...messages, { role: 'user', content: parts }] })
    const told = []
    for await (const message of client.chat.completions.messages.list(asked.id, { limit: 1 }))
      told.push(message)
    expect(told).toEqual([
      { id: `${asked.id}-0`, role: 'user', content: 'Hello', content_parts: null },
      { id: `${asked.id}-1`, role: 'user', content: null, content_parts: parts },
    ])

    const unstored = await client.chat.completions.create({ model: 'house', messages })
    const change = (id: string, metadata: unknown) =>
      client.chat.completions.update(id, { metadata: metadata as OpenAI.Metadata })
    await expect(change(unstored.id, {})).rejects.toThrow(BadRequestError)
    await expect(change(blue.id, { a: 1 })).rejects.toMatchObject({ status: 400, param: 'metadata.a' })
    await expect(change(blue.id, undefined)).rejects.toMatchObject({ status: 400, param: 'metadata' })
    await expect(change('chatcmpl-nope', {})).rejects.toThrow(NotFoundError)
    await expect(client.chat.completions.messages.list('chatcmpl-nope')).rejects.toThrow(NotFoundError)
    for await (const { id } of client.chat.completions.list()) await client.chat.completions.delete(id)
  })

  test('sees the models', async () => {
    const { data } = await client.models.list()
    expect(data.map(({ id }) => id)).toContain('house')
    expect(await client.models.retrieve('house')).toMatchObject({ id: 'house', object: 'model' })
    expect(await client.models.retrieve('upstream/lorem')).toMatchObject({ id: 'upstream/lorem' })
    await expect(client.models.retrieve('nope')).rejects.toThrow(NotFoundError)
  })
})

describe('its errors', () => {
  test('have their classes and codes, and are not tried again', async () => {
    const create = (fields: object, apiKey = 'sk-first') =>
      client.withOptions({ apiKey }).chat.completions.create({ model: 'house', messages, ...fields })
    const cases: [Promise<unknown>, new (...args: never[]) => Error, object][] = [
      [create({}, 'sk-nobody'), AuthenticationError, { status: 401, code: 'invalid_api_key' }],
      [create({ model: 'nope' }), NotFoundError, { status: 404, code: 'model_not_found', param: 'model' }],
      [create({ messages: [] }), BadRequestError, { status: 400, param: 'messages' }],
      [create({ model: 'upstream/nope' }), NotFoundError, { code: 'model_not_found' }],
      [create({ model: 'upstream/lorem?fail=400' }), BadRequestError, { type: 'invalid_request_error' }],
    ]
    for (const [promise, type, fields] of cases) {
      const error = await promise.catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(type)
      expect(error).toMatchObject({ ...fields, requestID: expect.stringMatching(/^req_/) })
    }
    expect(gateway().simulator.journal().totals).toMatchObject({ calls: 1, closedBy: { refused: 1 } })
  })

  test('429 is tried again after the time that the provider names', async () => {
    const model = 'upstream/lorem?tokens=3&fail=429&retry_after_ms=300&times=1'
    const startedAtMs = Date.now()
    const { choices } = await client.chat.completions.create({ model, messages })
    expect(choices[0]?.finish_reason).toBe('stop')
    expect(Date.now() - startedAtMs).toBeGreaterThanOrEqual(300)
    expect(calls()).toBe(2)
  })

  test('a 429 that stays tells how long to wait', async () => {
    const model = 'upstream/lorem?fail=429&retry_after_ms=1500'
    const promise = client.chat.completions.create({ model, messages }, { maxRetries: 0 })
    const error = (await promise.catch((thrown: unknown) => thrown)) as RateLimitError
    expect(error).toBeInstanceOf(RateLimitError)
    expect(Object.fromEntries(error.headers)).toMatchObject({ 'retry-after': '2', 'retry-after-ms': '1500' })
  })

  test('a stream that breaks off throws, and is not mistaken for a short answer', async () => {
    const model = 'upstream/lorem?tokens=20&fail=truncate&at=5'
    const stream = await client.chat.completions.create({ model, messages, stream: true })
    let text = ''
    const reading = (async () => {
      for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
    })()
    await expect(reading).rejects.toMatchObject({ code: 'upstream_incomplete', type: 'server_error' })
    expect(text.split(' ')).toHaveLength(5)
  })

  test('a stream that fails before it begins has a real status', async () => {
    const model = 'upstream/lorem?fail=400'
    const promise = client.chat.completions.create({ model, messages, stream: true })
    await expect(promise).rejects.toThrow(BadRequestError)
    const broken = client.chat.completions.create(
      { model: 'upstream/lorem?fail=500', messages, stream: true },
      { maxRetries: 0 },
    )
    await expect(broken).rejects.toThrow(InternalServerError)
  })

  test('an abort and a timeout leave the run alone', async () => {
    const model = 'upstream/lorem?tokens=30&gap_ms=10'
    const aborting = new AbortController()
    const aborted = client.chat.completions.create({ model, messages }, { signal: aborting.signal })
    setTimeout(() => aborting.abort(), 100)
    await expect(aborted).rejects.toThrow(APIUserAbortError)
    const late = client.chat.completions.create({ model, messages }, { timeout: 100, maxRetries: 0 })
    await expect(late).rejects.toThrow(APIConnectionTimeoutError)
    await expect
      .poll(() => gateway().simulator.journal().totals, { timeout: 10_000 })
      .toMatchObject({ calls: 2, closedBy: { finished: 2 } })
  })
})

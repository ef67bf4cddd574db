import OpenAI from 'openai'
import { ResponsesWS } from 'openai/resources/responses/ws'
import type { ResponsesServerEvent } from 'openai/resources/responses/responses'
import { describe, expect, test } from 'vitest'
import { keys } from '#libs/redis'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi, type JsonObject } from '../support/http.ts'
import { openSocket } from '../support/web-socket.ts'

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
const fast = 'sim/lorem?tokens=5&gap_ms=0'
const slow = 'upstream/lorem?tokens=400&gap_ms=20'
const headers = { authorization: 'Bearer first-key' }
const path = '/v1/responses'

const open = (api = 0) => openSocket(gateway().apis[api]!.url + path, { headers })
const isLast = (event: JsonObject): boolean =>
  /^response\.(?:completed|incomplete|failed)$/.test(String(event.type))
const on = (stream: string) => (event: JsonObject) => isLast(event) && event.stream_id === stream

describe('the unmodified ResponsesWS', () => {
  function connect(): ResponsesWS {
    const client = new OpenAI({ apiKey: 'first-key', baseURL: `${gateway().url}/v1` })
    return new ResponsesWS(client)
  }

  async function readUntil(
    ws: ResponsesWS,
    isEnough: (event: ResponsesServerEvent) => boolean,
  ): Promise<ResponsesServerEvent[]> {
    const events: ResponsesServerEvent[] = []
    for await (const event of ws) {
      if (event.type === 'error') throw event.error
      if (event.type !== 'message') continue
      events.push(event.message)
      if (isEnough(event.message)) break
    }
    return events
  }

  test('gets the events of a stream, in their order, and the response that is stored', async () => {
    const ws = connect()
    ws.send({ type: 'response.create', model: fast, input: 'Hello' })
    const events = await readUntil(ws, ({ type }) => type === 'response.completed')
    ws.close()
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
    const { response } = events.at(-1) as JsonObject
    expect((await callApi(`${gateway().url}${path}/${response.id}`, { headers })).json).toEqual(response)
    const stream = await callApi(`${gateway().url}${path}/${response.id}?stream=true`, { headers })
    const told = stream.text.match(/(?<=^data: )\{.*/gm)?.map((data) => JSON.parse(data) as object)
    expect(events).toEqual(told)
  })

  test('goes on with the response before, on the same connection', async () => {
    const ws = connect()
    ws.send({ type: 'response.create', model: fast, input: 'Hello' })
    const first = (await readUntil(ws, isLast)).at(-1) as JsonObject
    ws.send({
      type: 'response.create',
      model: fast,
      input: 'And then?',
      previous_response_id: first.response.id,
    })
    const second = (await readUntil(ws, isLast)).at(-1) as JsonObject
    ws.close()
    expect(second.response.previous_response_id).toBe(first.response.id)
    const items = await callApi(`${gateway().url}${path}/${second.response.id}/input_items`, { headers })
    expect(items.json.data).toHaveLength(3)
  })

  test('is told what is wrong, and may go on', async () => {
    const ws = connect()
    const errors: JsonObject[] = []
    ws.on('error', ({ error }) => errors.push(error as JsonObject))
    ws.send({ type: 'response.create', model: 'nobody/knows-it', input: 'Hello', stream_id: 'a' })
    ws.send({ type: 'response.create', model: fast, input: 'Hello' })
    await new Promise((resolve) => ws.on('response.completed', resolve))
    ws.close()
    expect(errors).toMatchObject([
      {
        type: 'error',
        status: expect.any(Number) as number,
        stream_id: 'a',
        error: { type: 'invalid_request_error', code: expect.any(String) as string },
      },
    ])
  })
})

describe('on one connection', () => {
  test('what has the same stream_id goes one after the other, and the rest beside it', async () => {
    const ws = await open()
    ws.send({ type: 'response.create', model: slow, input: 'x', stream_id: 'long' })
    await ws.next(({ type }) => type === 'response.output_text.delta')
    for (const name of ['a', 'a', 'b']) {
      ws.send({ type: 'response.create', model: fast, input: 'x', stream_id: name })
    }
    await ws.next(on('b'))
    await eventually('both of a have ended', () => ws.messages.filter(on('a')).length === 2)
    const ofA = ws.messages.filter((event) => event.stream_id === 'a')
    expect(ofA.map((event) => event.sequence_number)).toEqual([...Array(13).keys(), ...Array(13).keys()])
    expect(new Set(ws.messages.map((event) => event.stream_id))).toEqual(new Set(['long', 'a', 'b']))
    expect(ws.messages.some(on('long'))).toBe(false)
    await ws.close()
  })

  test('a response is cancelled, and ends as over HTTP', async () => {
    const ws = await open()
    ws.send({ type: 'response.create', model: slow, input: 'x' })
    const created = await ws.next(({ type }) => type === 'response.created')
    await ws.next(({ type }) => type === 'response.output_text.delta')
    ws.send({ type: 'response.cancel', response_id: created.response.id as string })
    const last = await ws.next(isLast)
    expect(last).toMatchObject({ type: 'response.incomplete', response: { status: 'cancelled' } })
    await ws.close()
  })

  test('a failure has the status that an answer would have had', async () => {
    const ws = await open()
    ws.send({ type: 'response.create', model: 'upstream/lorem?fail=400', input: 'x', stream_id: 's' })
    expect(await ws.next(({ type }) => type === 'error')).toMatchObject({
      status: 400,
      stream_id: 's',
      sequence_number: 1,
    })
    expect(await ws.next(isLast)).toMatchObject({ type: 'response.failed', stream_id: 's' })
    await ws.close()
  })

  test('the same idempotency key gets the same response', async () => {
    const ws = await open()
    const event = {
      type: 'response.create',
      model: fast,
      input: 'once',
      millrace: { idempotency_key: 'socket-1', priority: 'batch' },
    }
    ws.send({ ...event, stream_id: 'a' })
    const first = await ws.next(on('a'))
    ws.send({ ...event, stream_id: 'b' })
    const second = await ws.next(on('b'))
    expect(second.response).toEqual(first.response)
    ws.send({ ...event, input: 'twice', stream_id: 'c' })
    expect(await ws.next(({ type }) => type === 'error')).toMatchObject({
      status: 422,
      stream_id: 'c',
      code: 'idempotency_key_reused',
    })
    await ws.close()
  })

  test.each([
    ['{', 'invalid_json', null],
    ['{"type":"response.create","__proto__":{"a":1}}', 'invalid_json', null],
    [`${'['.repeat(99)}`, 'invalid_request', null],
    ['[]', 'invalid_request', null],
    ['{"type":"response.steer","input":"x"}', 'invalid_request', 'type'],
    ['{"type":"response.create","stream_id":7}', 'invalid_request', 'stream_id'],
    ['{"type":"response.create","stream_id":""}', 'invalid_request', 'stream_id'],
    ['{"type":"response.create","model":"sim/lorem"}', 'invalid_request', 'input'],
    ['{"type":"response.create","generate":false}', 'invalid_request', 'generate'],
    ['{"type":"response.create","millrace":{"priority":"now"}}', 'invalid_request', 'millrace.priority'],
    [
      '{"type":"response.create","millrace":{"idempotency_key":""}}',
      'invalid_request',
      'millrace.idempotency_key',
    ],
    [
      '{"type":"response.subscribe","response_id":"x","starting_after":1.5}',
      'invalid_request',
      'starting_after',
    ],
    ['{"type":"response.subscribe","response_id":"../x"}', 'response_not_found', null],
    ['{"type":"response.cancel","response_id":"resp_x"}', 'response_not_found', null],
  ])('%s is answered by an error', async (text, code, param) => {
    const ws = await open()
    ws.socket.send(text)
    const error = await ws.next(() => true)
    expect(error).toMatchObject({ type: 'error', code, param, error: { code, param } })
    expect(error.message).toMatch(/^[^]{5,300}$/)
    ws.send({ type: 'response.create', model: fast, input: 'x' })
    await ws.next(isLast)
    await ws.close()
  })
})

describe('a client that comes back', () => {
  async function subscribe(api: number, id: string, after: number): Promise<JsonObject[]> {
    const ws = await open(api)
    ws.send({ type: 'response.subscribe', response_id: id, starting_after: after, stream_id: 'again' })
    await ws.next((event) => isLast(event) || event.type === 'error')
    await ws.close()
    return ws.messages.map(({ stream_id: streamId, ...event }) => {
      expect(streamId).toBe('again')
      return event
    })
  }

  test('gets the rest at another API, while it goes on, once it has ended, and from the archive', async () => {
    const ws = await open(0)
    ws.send({ type: 'response.create', model: 'sim/lorem?tokens=60&gap_ms=20', input: 'x' })
    await ws.next((event) => event.sequence_number === 20)
    ws.socket.terminate()
    const { messages } = ws
    const { id } = messages[0]!.response as { id: string }
    const rest = await subscribe(1, id, messages.at(-1)!.sequence_number as number)
    const whole = [...messages, ...rest]
    expect(whole.map((event) => event.sequence_number)).toEqual([...whole.keys()])
    expect(await subscribe(0, id, -1)).toEqual(whole)
    await eventually('only the archive has it', async () => {
      return !(await gateway().redis.held()).includes(keys.run(id))
    })
    expect(await subscribe(1, id, -1)).toEqual(whole)
    expect(await subscribe(1, id, 30)).toEqual(whole.slice(31))
    // Who has seen all is told how it ended, since silence would mean that it goes on.
    expect(await subscribe(0, id, whole.length - 1)).toEqual(whole.slice(-1))
    expect(await subscribe(0, id, 999_999)).toEqual(whole.slice(-1))
  })

  test('gets one that was made in one piece as a stream', async () => {
    const made = await callApi(gateway().url + path, { body: { model: fast, input: 'x' }, headers })
    const events = await subscribe(0, made.json.id as string, -1)
    expect(events.at(-1)!.response).toEqual(made.json)
    expect(await subscribe(0, made.json.id as string, 4)).toEqual(events.slice(5))
  })

  test('can neither follow nor cancel what is another tenant’s', async () => {
    const ws = await open()
    ws.send({ type: 'response.create', model: slow, input: 'x' })
    const { id } = (await ws.next(({ type }) => type === 'response.created')).response as { id: string }
    const other = await openSocket(gateway().url + path, { headers: { authorization: 'Bearer second-key' } })
    other.send({ type: 'response.subscribe', response_id: id })
    other.send({ type: 'response.cancel', response_id: id })
    await eventually('both are answered', () => other.messages.length === 2)
    const unknown = await subscribe(0, `resp_${'0'.repeat(32)}`, -1)
    for (const answer of other.messages) {
      expect({ ...answer, response_id: undefined }).toEqual({ ...unknown[0], response_id: undefined })
    }
    const { json } = await callApi(`${gateway().url}${path}/${id}`, { headers })
    expect(json.status).toBe('in_progress')
    await ws.close()
    await other.close()
  })

  test.each([
    [{ on_disconnect: 'cancel' }, 'cancelled'],
    [{ on_disconnect: 'continue' }, 'completed'],
  ])('finds its response as it asked for with %o', async (millrace, status) => {
    const ws = await open()
    ws.send({ type: 'response.create', model: 'upstream/lorem?tokens=30&gap_ms=30', input: 'x', millrace })
    const { id } = (await ws.next(({ type }) => type === 'response.created')).response as { id: string }
    await ws.close()
    await eventually(`it is ${status}`, async () => {
      const { json } = await callApi(`${gateway().url}${path}/${id}`, { headers })
      return json.status === status
    })
  })
})

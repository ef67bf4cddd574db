import { describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi, type JsonObject } from '../support/http.ts'
import { openSocket, type TestSocket } from '../support/web-socket.ts'

const gateway = useGateway({
  apis: 2,
  config: {
    keys: [
      { key: 'first-key', tenant: 'first' },
      { key: 'second-key', tenant: 'second' },
    ],
    server: { websocket: { auth_timeout_ms: 500, max_tenant_connections: 3 } },
  },
})
const messages = [{ role: 'user', content: 'Say something.' }]
const fast = { model: 'sim/lorem?tokens=4&gap_ms=0', messages }
const slow = { model: 'upstream/lorem?tokens=400&gap_ms=20', messages }
const headers = { authorization: 'Bearer first-key' }

const connect = (options: object = { headers }, api = 0): Promise<TestSocket> =>
  openSocket(`${gateway().apis[api]!.url}/v1/ws`, options)
const isLast = ({ type }: JsonObject): boolean => type === 'done' || type === 'error'
const endOf = (name: string) => (message: JsonObject) => isLast(message) && message.request_id === name
const read = (id: unknown, query = '') =>
  callApi(`${gateway().url}/v1/generate/${String(id)}${query}`, { headers })

describe('a connection for unified blocks', () => {
  test('answers a request by the events of its stream, each in an envelope', async () => {
    const ws = await connect()
    ws.send({ type: 'request', request_id: 'r "1"', body: fast })
    const done = await ws.next(endOf('r "1"'))
    await ws.close()
    expect(ws.messages.map(({ type }) => type as string)).toEqual([
      'accepted',
      ...Array<string>(4).fill('block'),
      'done',
    ])
    const [accepted, ...events] = ws.messages
    expect(accepted).toEqual({ type: 'accepted', request_id: 'r "1"', run_id: done.data.id as string })
    expect(done.data).toEqual((await read(done.run_id)).json)
    const stream = await read(done.run_id, '?stream=true')
    expect(events).toEqual(
      [...stream.text.matchAll(/^data: (\{.*)\nid: (\S+):(\d+)$/gm)].map(([, data = '', runId, seq]) => ({
        type: (JSON.parse(data) as JsonObject).type === 'done' ? 'done' : 'block',
        request_id: 'r "1"',
        run_id: runId,
        seq: Number(seq),
        data: JSON.parse(data) as object,
      })),
    )
  })

  test('carries many requests at once, one of which is cancelled', async () => {
    const ws = await connect()
    ws.send({ type: 'request', request_id: 'slow', body: slow })
    await ws.next(({ type }) => type === 'block')
    for (const name of ['a', 'b', 'c'])
      ws.send({ type: 'request', request_id: name, body: { ...fast, stream: name !== 'b' } })
    for (const name of ['a', 'b', 'c']) expect(await ws.next(endOf(name))).toMatchObject({ type: 'done' })
    ws.send({ type: 'cancel', request_id: 'slow' })
    expect(await ws.next(endOf('slow'))).toMatchObject({ type: 'error', data: { code: 'cancelled' } })
    ws.send({ type: 'request', request_id: 'hasty', body: slow })
    ws.send({ type: 'cancel', request_id: 'hasty' })
    expect(await ws.next(endOf('hasty'))).toMatchObject({ type: 'error', data: { code: 'cancelled' } })
    await ws.close()
  })

  test('takes a run up again behind any event, and cancels it from there', async () => {
    const first = await connect()
    first.send({ type: 'request', request_id: 'a', body: slow })
    await first.next(({ seq }) => seq === 5)
    first.socket.terminate()
    const seen = first.messages.filter(({ type }) => type === 'block')
    const second = await connect({ headers }, 1)
    const run = seen[0]!.run_id as string
    second.send({ type: 'subscribe', request_id: 'b', run_id: run, after: seen.length - 1 })
    await second.next(({ type }) => type === 'block')
    second.send({ type: 'cancel', request_id: 'b' })
    await second.next(endOf('b'))
    await second.close()
    const events = [...seen, ...second.messages.slice(1)]
    expect(events.map(({ seq }) => seq as number)).toEqual([...events.keys()])
    expect((await read(run)).json).toMatchObject({ status: 'cancelled' })
  })

  test('makes one run of a request that is sent again with its idempotency key', async () => {
    const ws = await connect()
    for (const name of ['a', 'b']) {
      ws.send({
        type: 'request',
        request_id: name,
        body: fast,
        idempotency_key: 'blocks-1',
        priority: 'batch',
      })
    }
    const [first, second] = [await ws.next(endOf('a')), await ws.next(endOf('b'))]
    expect(second.data).toEqual(first.data)
    await ws.close()
  })

  test.each([
    [{ type: 'request', body: fast }, null, 'invalid_request', 'request_id'],
    [{ type: 'request', request_id: 'x' }, 'x', 'invalid_request', 'body'],
    [{ type: 'request', request_id: 'x', body: [] }, 'x', 'invalid_request', undefined],
    [{ type: 'request', request_id: 'x', body: { ...fast, sytem: '' } }, 'x', 'invalid_request', undefined],
    [
      { type: 'request', request_id: 'x', body: { ...fast, model: 'no/thing' } },
      'x',
      'model_not_found',
      'model',
    ],
    [{ type: 'request', request_id: 'x', body: fast, priority: 1 }, 'x', 'invalid_request', 'priority'],
    [{ type: 'subscribe', request_id: 'x', run_id: 'blk_1' }, 'x', 'response_not_found', undefined],
    [{ type: 'subscribe', request_id: 'x', run_id: 'blk_1', after: -2 }, 'x', 'invalid_request', 'after'],
    [{ type: 'cancel', request_id: 'x' }, 'x', 'invalid_request', 'request_id'],
    [{ type: 'auth', key: 'second-key' }, null, 'invalid_request', undefined],
    [{ type: 'hello' }, null, 'invalid_request', 'type'],
    ['text', null, 'invalid_request', undefined],
  ])('answers %o by an error', async (message, name, code, param) => {
    const ws = await connect()
    ws.socket.send(JSON.stringify(message))
    const error = await ws.next(() => true)
    expect(error).toMatchObject({ type: 'error', request_id: name, data: { type: 'error', code } })
    expect(error.data.param).toBe(param)
    ws.send({ type: 'request', request_id: 'x', body: fast })
    await ws.next(({ type }) => type === 'done')
    await ws.close()
  })

  test('refuses a second request of the same name while the first goes on', async () => {
    const ws = await connect()
    ws.send({ type: 'request', request_id: 'a', body: slow })
    ws.send({ type: 'request', request_id: 'a', body: fast })
    expect(await ws.next(endOf('a'))).toMatchObject({
      data: { code: 'invalid_request', param: 'request_id' },
    })
    await ws.close()
  })

  test('shows nothing of another tenant’s runs', async () => {
    const ws = await connect()
    ws.send({ type: 'request', request_id: 'a', body: fast })
    const { run_id: run } = await ws.next(endOf('a'))
    const other = await connect({ headers: { 'x-api-key': 'second-key' } })
    other.send({ type: 'subscribe', request_id: 'b', run_id: run as string })
    expect(await other.next(endOf('b'))).toMatchObject({ data: { code: 'response_not_found' } })
    await Promise.all([ws.close(), other.close()])
  })
})

describe('a key', () => {
  test('may be the first message', async () => {
    const ws = await connect({})
    ws.send({ type: 'auth', key: 'first-key' })
    ws.send({ type: 'request', request_id: 'a', body: fast })
    const done = await ws.next(endOf('a'))
    expect((await read(done.run_id)).status).toBe(200)
    await ws.close()
  })

  test('may be a subprotocol, which the server does not choose while there is another', async () => {
    const protocols = ['openai-insecure-api-key.first-key', 'millrace']
    const ws = await connect({ protocols })
    expect(ws.socket.protocol).toBe('millrace')
    ws.send({ type: 'request', request_id: 'a', body: fast })
    await ws.next(endOf('a'))
    await ws.close()
    await expect(connect({ protocols: ['openai-insecure-api-key.wrong'] })).rejects.toThrow('401')
  })

  test.each([
    ['a wrong one', { type: 'auth', key: 'wrong' }],
    ['a request before it', { type: 'request', request_id: 'a', body: fast }],
    ['none in time', undefined],
  ])('that is refused, as is %s, closes the connection for good', async (_, message) => {
    const ws = await connect({})
    if (message !== undefined) ws.send(message)
    expect(await ws.closed).toMatchObject({ code: 1008 })
    expect(ws.messages).toEqual([])
  })

  test('that is wrong in a header is answered 401', async () => {
    await expect(connect({ headers: { authorization: 'Bearer wrong' } })).rejects.toThrow('401')
  })

  test('opens as many connections as its tenant may have', async () => {
    const open = [await connect(), await connect(), await connect()]
    await expect(connect()).rejects.toThrow('429')
    const late = await connect({})
    late.send({ type: 'auth', key: 'first-key' })
    expect(await late.closed).toMatchObject({ code: 1013 })
    const other = await connect({ headers: { 'x-api-key': 'second-key' } })
    await open.pop()!.close()
    await eventually('there is room again', () =>
      connect().then(
        (ws) => open.push(ws) > 0,
        () => false,
      ),
    )
    await Promise.all([...open, other].map((ws) => ws.close()))
  })
})

import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi, expectError } from '../support/http.ts'
import { openSocket } from '../support/web-socket.ts'

const fast = 'sim/lorem?tokens=4&gap_ms=0'
const path = '/v1/responses'
const gateway = useGateway({
  config: {
    server: {
      stuck_reader_ms: 1_000,
      websocket: {
        allowed_origins: ['https://app.example.com'],
        max_messages_per_second: 40,
        max_streams: 2,
        max_buffered_bytes: 65_536,
        ping_interval_ms: 1_000,
      },
    },
  },
})
const open = (options: object = {}) => openSocket(gateway().url + path, options)
const create = (model = fast, stream = 'a') => ({
  type: 'response.create',
  model,
  input: 'x',
  stream_id: stream,
})

async function closes(): Promise<Record<string, number>> {
  const { text } = await callApi(`${gateway().url}/metrics`)
  return Object.fromEntries(
    [...text.matchAll(/^millrace_websocket_closes_total\{reason="([\w-]+)"\} (\d+)/gm)].map(
      ([, reason, count]) => [reason, Number(count)],
    ),
  )
}

describe('a page', () => {
  test('connects from an origin that is allowed, and from no other', async () => {
    const page = await open({ headers: { origin: 'https://app.example.com' } })
    page.send(create())
    await page.next(({ type }) => type === 'response.completed')
    await page.close()
    for (const origin of [
      'https://evil.example.com',
      'https://app.example.com.evil.org',
      'null',
      gateway().url,
    ]) {
      await expect(open({ headers: { origin } })).rejects.toThrow('403')
      await expect(openSocket(`${gateway().url}/v1/ws`, { headers: { origin } })).rejects.toThrow('403')
    }
  })
})

describe('a request', () => {
  test('for a WebSocket where there is none is refused, and nothing is done', async () => {
    for (const elsewhere of ['/v1/models', '/v1/chat/completions', '/nothing', '/v1/responses/resp_1']) {
      await expect(openSocket(gateway().url + elsewhere)).rejects.toThrow('404')
    }
  })

  test('for no WebSocket where there is one is told so', async () => {
    const response = await fetch(gateway().url + path)
    expect(response.headers.get('upgrade')).toBe('websocket')
    const body = await response.text()
    const contentType = response.headers.get('content-type')
    expectError({ status: response.status, contentType, body }, { status: 426, code: 'invalid_request' })
  })

  test('for another protocol is answered as if it had not asked for one', async () => {
    const socket = connectTcp(Number(new URL(gateway().url).port), '127.0.0.1')
    const head = ['GET /v1/models HTTP/1.1', 'host: x', 'connection: upgrade, http2-settings', 'upgrade: h2c']
    socket.write(`${[...head, 'http2-settings: AAMAAABkAAQAAP__'].join('\r\n')}\r\n\r\n`)
    const [data] = (await once(socket, 'data')) as [Buffer]
    expect(String(data)).toMatch(/^HTTP\/1\.1 200 OK/)
    socket.destroy()
  })
})

describe('a connection is closed', () => {
  test('by 1009 for a message of 2 MiB', async () => {
    const ws = await open()
    ws.socket.send(JSON.stringify({ ...create(), input: 'x'.repeat(2 * 1024 * 1024) }))
    expect(await ws.closed).toMatchObject({ code: 1009 })
  })

  test('by 1009 for one of 2 MiB in pieces, before the last of them', async () => {
    const ws = await open()
    for (let count = 0; count < 128; count += 1) ws.socket.send('x'.repeat(16 * 1024), { fin: false })
    expect(await ws.closed).toMatchObject({ code: 1009 })
  })

  test('by 1008 for a message in more pieces than anyone makes, also if they are empty', async () => {
    const ws = await open()
    for (let count = 0; count < 2_000; count += 1) ws.socket.send('', { fin: false })
    expect(await ws.closed).toMatchObject({ code: 1008 })
  })

  test('by 1003 for a binary message', async () => {
    const ws = await open()
    ws.socket.send(Buffer.from(JSON.stringify(create())))
    expect(await ws.closed).toMatchObject({ code: 1003 })
  })

  test('by 1007 for text that is no UTF-8', async () => {
    const ws = await open()
    ws.socket.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false })
    expect(await ws.closed).toMatchObject({ code: 1007 })
  })

  test('by 1008 for a flood of messages, or of pings', async () => {
    const [talker, pinger] = [await open(), await open()]
    for (let count = 0; count < 200; count += 1) talker.socket.send('{}')
    for (let count = 0; count < 200; count += 1) pinger.socket.ping()
    expect(await talker.closed).toMatchObject({ code: 1008 })
    expect(await pinger.closed).toMatchObject({ code: 1008 })
    expect((await closes()).flood).toBe(2)
  })

  test('when its peer does not answer pings any more, and not while it does', async () => {
    const alive = await open()
    const dead = await open({ autoPong: false })
    expect(await dead.closed).toMatchObject({ code: 1006 })
    expect(alive.socket.readyState).toBe(WebSocket.OPEN)
    expect((await closes()).dead).toBeGreaterThan(0)
    await alive.close()
  })

  test('when its peer takes nothing for too long, and its response goes on', async () => {
    const ws = await open()
    ws.send({ ...create('sim/lorem?tokens=60000&gap_ms=0') })
    const { id } = (await ws.next(({ type }) => type === 'response.created')).response as { id: string }
    ws.socket.pause()
    const before = await closes()
    const count = ({ stuck = 0, dead = 0 }: Record<string, number>): number => stuck + dead
    await eventually('it is cut off', async () => count(await closes()) > count(before))
    ws.socket.terminate()
    await eventually('the response has completed', async () => {
      return (await callApi(`${gateway().url}${path}/${id}`)).json.status === 'completed'
    })
  })
})

describe('a connection goes on', () => {
  test('when more is asked for at once than it may follow', async () => {
    const ws = await open()
    for (const name of ['a', 'b', 'c']) ws.send(create('sim/lorem?tokens=300&gap_ms=20', name))
    expect(await ws.next(({ type }) => type === 'error')).toMatchObject({
      status: 429,
      stream_id: 'c',
      code: 'rate_limit_exceeded',
    })
    const long = { ...create(), input: 'x'.repeat(40_000) }
    ws.send(long)
    ws.send(long)
    await eventually('the second of those that wait is refused', () => {
      return ws.messages.some((event) => event.type === 'error' && event.stream_id === 'a')
    })
    await ws.close()
  })
})

describe('a process that is told to stop', () => {
  const stopping = useGateway()

  test('closes by 1012 what is idle at once, and the rest when its streams have ended', async () => {
    const { url, apis } = stopping()
    const [idle, busy] = [await openSocket(url + path), await openSocket(`${url}/v1/ws`)]
    const body = { model: 'sim/lorem?tokens=100&gap_ms=20', messages: [{ role: 'user', content: 'x' }] }
    busy.send({ type: 'request', request_id: 'a', body })
    await busy.next(({ type }) => type === 'block')
    const code = apis[0]!.stop('SIGTERM')
    expect(await idle.closed).toMatchObject({
      code: 1012,
      reason: expect.stringContaining('subscribe') as string,
    })
    expect(busy.socket.readyState).toBe(WebSocket.OPEN)
    busy.send({ type: 'request', request_id: 'b', body })
    expect(await busy.next(({ request_id: name }) => name === 'b')).toMatchObject({
      data: { code: 'draining' },
    })
    expect(await busy.closed).toMatchObject({ code: 1012 })
    expect(busy.messages.at(-1)).toMatchObject({ type: 'done', request_id: 'a' })
    expect(await code).toBe(0)
  })
})

describe('a process whose time to drain is over', () => {
  const stopping = useGateway({ apis: 2, config: { server: { drain_ms: 300 } } })

  test('closes by 1012 what still streams, which goes on elsewhere', async () => {
    const [here, there] = stopping().apis
    const ws = await openSocket(here!.url + path)
    ws.send(create('sim/lorem?tokens=100&gap_ms=20'))
    await ws.next((event) => event.sequence_number === 10)
    const code = here!.stop('SIGTERM')
    expect(await ws.closed).toMatchObject({ code: 1012 })
    expect(await code).toBe(0)
    const next = await openSocket(there!.url + path)
    const { id } = ws.messages[0]!.response as { id: string }
    const after = ws.messages.at(-1)!.sequence_number as number
    next.send({ type: 'response.subscribe', response_id: id, starting_after: after })
    await next.next(({ type }) => type === 'response.completed')
    expect(next.messages[0]!.sequence_number).toBe(after + 1)
    await next.close()
  })
})

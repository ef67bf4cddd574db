import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { ProviderTimeouts } from '#libs/providers'
import { call, connect, errorOf, never, serve, serveRaw } from './support.ts'

const chunkedHead = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n'
const oneChunk = '9\r\ndata: a\n\n\r\n'

function timeouts(some: Partial<ProviderTimeouts>): { timeouts: ProviderTimeouts } {
  return { timeouts: { connectMs: 5000, firstByteMs: 5000, idleMs: 5000, totalMs: 10_000, ...some } }
}

describe('a timeout', () => {
  it('ends the wait for a connection', async () => {
    // It accepts the connection and says nothing to the TLS handshake.
    const host = await serveRaw(() => undefined)
    const provider = connect(host, { baseUrl: `https://${host}`, ...timeouts({ connectMs: 100 }) })
    const startedAt = performance.now()
    const error = await errorOf(provider.send(call, never))
    expect(performance.now() - startedAt).toBeLessThan(900)
    expect(error).toMatchObject({ code: 'upstream_timeout', provider: 'acme' })
    expect(error.message).toBe('No connection to provider acme could be had within 100 ms.')
  })

  it('ends the wait for the head', async () => {
    const closed = Promise.withResolvers<void>()
    const host = await serve((request) => void request.socket.on('close', () => closed.resolve()))
    const error = await errorOf(connect(host, timeouts({ firstByteMs: 100 })).send(call, never))
    expect(error.code).toBe('upstream_timeout')
    expect(error.message).toBe('Provider acme did not begin its answer within 100 ms.')
    await closed.promise
  })

  it('ends a silence within the answer, and not an answer that goes on', async () => {
    const closed = Promise.withResolvers<void>()
    const host = await serve(async (request, response) => {
      request.socket.on('close', () => closed.resolve())
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (let i = 0; i < 10; i++) {
        response.write('data: a\n\n')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    })
    let events = 0
    const answer = await connect(host, timeouts({ idleMs: 250 })).send(call, never)
    const error = await errorOf(answer.readEvents((batch) => (events += batch.length)))
    expect(error.code).toBe('upstream_timeout')
    expect(error.message).toBe('Provider acme sent nothing for 250 ms in the middle of its answer.')
    expect(events).toBe(10)
    await closed.promise
  })

  it('ends an answer that never ends', async () => {
    const host = await serve((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const timer = setInterval(() => response.write(': ping\n\n'), 20)
      response.on('close', () => clearInterval(timer))
    })
    const answer = await connect(host, timeouts({ totalMs: 300 })).send(call, never)
    const error = await errorOf(answer.readEvents(() => undefined))
    expect(error.code).toBe('upstream_timeout')
    expect(error.message).toBe('Provider acme did not finish its answer within 300 ms.')
  })
})

describe('a broken connection', () => {
  it('is told as refused', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    const error = await errorOf(connect(`127.0.0.1:${port}`).send(call, never))
    expect(error).toMatchObject({ code: 'upstream_unreachable', provider: 'acme' })
    expect(error.message).toBe('Provider acme could not be reached: the connection was refused.')
    expect(JSON.stringify(error)).not.toMatch(/ECONN|127\.0/)
  })

  it('is told as a name that is none', async () => {
    const error = await errorOf(connect('nowhere.invalid').send(call, never))
    expect(error.message).toBe(
      'Provider acme could not be reached: the name of its host could not be resolved.',
    )
  })

  it('is told as TLS that fails', async () => {
    const host = await serveRaw((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    const error = await errorOf(connect(host, { baseUrl: `https://${host}` }).send(call, never))
    expect(error.message).toBe('Provider acme could not be reached: no trusted TLS connection could be made.')
  })

  it('is told as closed or reset before the head', async () => {
    const closing = await serveRaw((socket) => socket.end())
    const resetting = await serveRaw((socket) => socket.resetAndDestroy())
    const halfHead = await serveRaw((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-t'))
    for (const host of [closing, resetting, halfHead]) {
      const error = await errorOf(connect(host).send(call, never))
      expect(error.code).toBe('upstream_outcome_unknown')
      expect(error.message).toMatch(/closed the connection before it answered/)
    }
  })

  it('is told as broken off in the middle of the answer, after the events that came', async () => {
    const resetting = await serveRaw((socket) => {
      socket.write(chunkedHead + oneChunk, () => setImmediate(() => socket.resetAndDestroy()))
    })
    const truncated = await serveRaw((socket) => socket.end(chunkedHead + oneChunk))
    const truncatedLast = await serveRaw((socket) =>
      socket.end(chunkedHead.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n') + oneChunk),
    )
    const short = await serveRaw((socket) =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\ndata: a\n\n'),
    )
    for (const host of [truncated, truncatedLast, short, resetting]) {
      let events = 0
      const answer = await connect(host).send(call, never)
      const error = await errorOf(answer.readEvents((batch) => (events += batch.length)))
      expect(error.code).toBe('upstream_incomplete')
      expect(error.message).toMatch(/closed the connection in the middle of its answer/)
      if (host !== resetting) expect(events).toBe(1)
    }
  })

  it('is a protocol error when the body breaks the rules of HTTP', async () => {
    const host = await serveRaw((socket) => socket.write(`${chunkedHead}zz\r\n`))
    const answer = await connect(host).send(call, never)
    expect((await errorOf(answer.readEvents(() => undefined))).code).toBe('upstream_protocol_error')
  })
})

describe('an error answer', () => {
  it('is read by the spec, with the name of the provider', async () => {
    const body = {
      error: { message: 'no such field', type: 'invalid_request_error', param: 'foo', code: null },
    }
    const host = await serve((_, response) => response.writeHead(422).end(JSON.stringify(body)))
    expect((await errorOf(connect(host).send(call, never))).toJSON()).toEqual({
      code: 'invalid_request',
      message: 'no such field',
      status: 422,
      type: 'invalid_request_error',
      param: 'foo',
      retryable: false,
      provider: 'acme',
      raw: { type: 'invalid_request_error', code: null },
    })
  })

  it.each([
    [429, { 'retry-after-ms': '1500', 'retry-after': '9' }, 1500],
    [503, { 'retry-after': '2' }, 2000],
    [529, { 'retry-after': '0.5' }, 500],
    [500, { 'retry-after': '2' }, undefined],
    [429, { 'retry-after': 'soon' }, undefined],
    [429, {}, undefined],
  ])('of status %i with %j may be repeated after %s ms', async (status, headers, retryAfterMs) => {
    const host = await serve((_, response) => response.writeHead(status, headers).end())
    const error = await errorOf(connect(host).send(call, never))
    expect(error.retryAfterMs).toBe(retryAfterMs)
  })

  it('never tells the key that was sent, whatever it looks like', async () => {
    const body = JSON.stringify({ error: { message: 'Key hunter2-of-mine is unknown' } })
    const host = await serve((_, response) => response.writeHead(401).end(body))
    const error = await errorOf(connect(host).send({ ...call, key: 'hunter2-of-mine' }, never))
    expect(error.message).toBe('Key [key] is unknown')
  })

  it('is not awaited beyond 64 KiB', async () => {
    const closed = Promise.withResolvers<void>()
    const host = await serve((request, response) => {
      request.socket.on('close', () => closed.resolve())
      response.writeHead(500).write('x'.repeat(200_000))
    })
    expect((await errorOf(connect(host).send(call, never))).code).toBe('upstream_error')
    await closed.promise
  })

  it('is told by its status when its body breaks off or falls silent', async () => {
    const broken = await serveRaw((socket) => socket.end('HTTP/1.1 401 No\r\ncontent-length: 99\r\n\r\n{'))
    const silent = await serveRaw((socket) => socket.write('HTTP/1.1 401 No\r\ncontent-length: 99\r\n\r\n{'))
    for (const host of [broken, silent]) {
      const error = await errorOf(connect(host, timeouts({ idleMs: 100 })).send(call, never))
      expect(error.code).toBe('upstream_auth_failed')
    }
  })

  it('is a redirect that is not followed', async () => {
    let hits = 0
    const target = await serve((_, response) => {
      hits++
      response.end('{}')
    })
    const host = await serve((_, response) =>
      response.writeHead(307, { location: `http://${target}/` }).end(),
    )
    const error = await errorOf(connect(host).send(call, never))
    expect(error.code).toBe('upstream_error')
    expect(error.message).toMatch(/redirect \(307\)/)
    expect(hits).toBe(0)
  })
})

import { getEventListeners } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { connectProvider, openai } from '#libs/providers'
import type { SseEvent } from '#libs/sse'
import { call, connect, errorOf, never, serve, serveRaw } from './support.ts'

const streamHead = { 'content-type': 'text/event-stream' }

describe('a call to a provider', () => {
  it('sends the body, the key and the headers of the allow-list, and nothing else of the caller', async () => {
    let request: IncomingMessage | undefined
    let body = ''
    const host = await serve(async (incoming, response) => {
      request = incoming
      body = await text(incoming)
      response.end('{}')
    })
    const headers = { 'openai-project': 'p', cookie: 'c', host: 'evil', authorization: 'Bearer other' }
    const answer = await connect(host).send({ ...call, headers }, never)
    expect(await answer.readText()).toBe('{}')
    expect(request?.method).toBe('POST')
    expect(request?.url).toBe('/v1/chat/completions')
    expect(body).toBe(call.body)
    expect(request?.headers).toEqual({
      host,
      connection: 'keep-alive',
      'content-length': '13',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'accept-encoding': 'identity',
      'user-agent': expect.stringMatching(/^millrace\/\d/),
      'x-millrace-run': 'chatcmpl-1',
      'openai-project': 'p',
      authorization: 'Bearer sk-secret',
    })
  })

  it('sends bytes of another content type, and no key where there is none', async () => {
    let request: IncomingMessage | undefined
    const host = await serve((incoming, response) => {
      request = incoming
      incoming.pipe(response)
    })
    const bytes = { ...call, key: undefined, body: Buffer.from('--x--'), contentType: 'multipart/form-data' }
    const answer = await connect(host).send(bytes, never)
    expect(await answer.readText()).toBe('--x--')
    expect(request?.headers['content-type']).toBe('multipart/form-data')
    expect(request?.headers.authorization).toBeUndefined()
  })

  it('gives the head of the answer with its status and headers', async () => {
    const host = await serve((_, response) => response.writeHead(201, { 'x-a': ['1', '2'] }).end('{}'))
    const answer = await connect(host).send(call, never)
    expect(answer.status).toBe(201)
    expect(answer.headers['x-a']).toBe('1, 2')
    await answer.readText()
  })

  it('skips interim answers', async () => {
    const host = await serve((_, response) => {
      response.writeProcessing()
      response.writeEarlyHints({ link: '</a>; rel=preload' })
      response.end('{}')
    })
    const answer = await connect(host).send(call, never)
    expect(answer.status).toBe(200)
    expect(await answer.readText()).toBe('{}')
  })

  it('uses connections again for calls that follow each other', async () => {
    const ports = new Set<number | undefined>()
    const host = await serve((request, response) => {
      ports.add(request.socket.remotePort)
      response.end('{}')
    })
    const provider = connect(host)
    for (let i = 0; i < 20; i++) await (await provider.send(call, never)).readText()
    // Undici rests a connection for one turn of the event loop, so that two take turns.
    expect(ports.size).toBeLessThanOrEqual(2)
  })

  it('opens as many connections as it may, and lets further calls wait', async () => {
    const ports = new Set<number | undefined>()
    const host = await serve((request, response) => {
      ports.add(request.socket.remotePort)
      response.end('{}')
    })
    const provider = connect(host, { connections: 2 })
    const bodies = Array.from({ length: 8 }, async () => (await provider.send(call, never)).readText())
    expect(await Promise.all(bodies)).toHaveLength(8)
    expect(ports.size).toBe(2)
  })

  it('lets no key, run id or header break out of its line', async () => {
    const requests: string[] = []
    const host = await serve((request, response) => {
      requests.push(request.url ?? '')
      response.end('{}')
    })
    const provider = connect(host)
    for (const key of ['sk\r\nx-evil: 1', 'sk\n', '', 'sk\0', 'sk é']) {
      const error = await errorOf(provider.send({ ...call, key }, never))
      expect(error.code).toBe('upstream_auth_failed')
      if (key) expect(error.message).not.toContain(key)
    }
    const broken = [
      { ...call, rid: 'a\r\nx-evil: 1' },
      { ...call, headers: { 'openai-beta': 'a\r\nx-evil: 1' } },
      { ...call, path: '/a b\r\nx-evil: 1' },
    ]
    for (const evil of broken) {
      expect((await errorOf(provider.send(evil, never))).code).toBe('invalid_request')
    }
    expect(requests).toEqual([])
  })

  it('is refused at start with a base URL that can be no provider', () => {
    const timeouts = { connectMs: 1, firstByteMs: 1, idleMs: 1, totalMs: 1 }
    for (const baseUrl of ['', 'api.test', 'ftp://a', 'http://u:p@a', 'http://a?b=c', 'http://a#b']) {
      expect(() => connectProvider(openai, { name: 'acme', baseUrl, timeouts })).toThrow(
        /base URL of provider acme/,
      )
    }
  })
})

describe('the answer of a provider', () => {
  it('comes as the events of each read, the same in 1-byte slices', async () => {
    const stream = Buffer.from('data: {"text":"漢"}\r\n\r\nevent: x\ndata: b\n\ndata: [DONE]')
    const whole = await serve((_, response) => response.writeHead(200, streamHead).end(stream))
    const sliced = await serve(async (_, response) => {
      response.writeHead(200, streamHead)
      for (const byte of stream) await new Promise((resolve) => response.write(Buffer.of(byte), resolve))
      response.end()
    })
    for (const host of [whole, sliced]) {
      const events: SseEvent[] = []
      const answer = await connect(host).send(call, never)
      await answer.readEvents((batch) => events.push(...batch))
      expect(events).toEqual([
        { event: undefined, data: '{"text":"漢"}' },
        { event: 'x', data: 'b' },
        { event: undefined, data: '[DONE]' },
      ])
    }
  })

  it('gives events while the stream is still open', async () => {
    const host = await serve((_, response) => void response.writeHead(200, streamHead).write('data: a\n\n'))
    const stop = new AbortController()
    const answer = await connect(host).send(call, stop.signal)
    const first = Promise.withResolvers<SseEvent[]>()
    const reading = answer.readEvents(first.resolve)
    expect(await first.promise).toEqual([{ event: undefined, data: 'a' }])
    stop.abort()
    expect((await errorOf(reading)).code).toBe('cancelled')
  })

  it('waits for a reader that comes late', async () => {
    const host = await serve((_, response) =>
      response.writeHead(200, streamHead).end('data: a\n\ndata: b\n\n'),
    )
    const provider = connect(host)
    const answer = await provider.send(call, never)
    await provider.close()
    const events: SseEvent[] = []
    await answer.readEvents((batch) => events.push(...batch))
    expect(events.map(({ data }) => data)).toEqual(['a', 'b'])
  })

  it('gives what came before a break to a reader that comes late', async () => {
    const host = await serveRaw((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n', () =>
        socket.destroy(),
      )
    })
    const provider = connect(host)
    const answer = await provider.send(call, never)
    await provider.close()
    const events: SseEvent[] = []
    expect((await errorOf(answer.readEvents((batch) => events.push(...batch)))).code).toBe(
      'upstream_incomplete',
    )
    expect(events).toHaveLength(1)
  })

  it('is ended by what the reader throws, which is thrown on', async () => {
    const closed = Promise.withResolvers<void>()
    const host = await serve((request, response) => {
      request.socket.on('close', () => closed.resolve())
      response.writeHead(200, streamHead).write('data: a\n\n')
    })
    const answer = await connect(host).send(call, never)
    const failure = new Error('the reader is at fault')
    const reading = answer.readEvents(() => {
      throw failure
    })
    await expect(reading).rejects.toBe(failure)
    await closed.promise
  })

  it('is refused when an event or the whole is too large', async () => {
    const host = await serve((_, response) => {
      response.writeHead(200, streamHead)
      const write = () => {
        while (!response.destroyed && response.write(`data: ${'x'.repeat(1000)}`));
      }
      response.on('drain', write)
      write()
    })
    const events = await connect(host, { limits: { maxEventBytes: 50_000 } }).send(call, never)
    const tooLong = await errorOf(events.readEvents(() => undefined))
    expect(tooLong).toMatchObject({ code: 'upstream_protocol_error', provider: 'acme' })
    const limits = { maxEventBytes: 1e9, maxResponseBytes: 500_000 }
    for (const read of ['readText', 'readEvents'] as const) {
      const answer = await connect(host, { limits }).send(call, never)
      const error = await errorOf(answer[read](() => undefined))
      expect(error).toMatchObject({ code: 'response_too_large', provider: 'acme' })
    }
  })

  it('is too large as bytes when its base64 would be', async () => {
    const host = await serve((_, response) => response.end(Buffer.alloc(301)))
    const readBytes = async (maxResponseBytes: number) =>
      (await connect(host, { limits: { maxResponseBytes } }).send(call, never)).readBytes()

    expect(await readBytes(404)).toHaveLength(301)
    expect((await errorOf(readBytes(403))).code).toBe('response_too_large')
  })

  it('is a protocol error when it is garbage', async () => {
    const bytes = Buffer.from([0x64, 0xff, 0xfe])
    const garbage = await serve((_, response) => response.writeHead(200, streamHead).end(bytes))
    const reading = (await connect(garbage).send(call, never)).readEvents(() => undefined)
    expect((await errorOf(reading)).code).toBe('upstream_protocol_error')
    const readingText = (await connect(garbage).send(call, never)).readText()
    expect((await errorOf(readingText)).code).toBe('upstream_protocol_error')
    const noHttp = await serveRaw((socket) => socket.end('220 mail.test ESMTP\r\n'))
    expect((await errorOf(connect(noHttp).send(call, never))).code).toBe('upstream_protocol_error')
    const page = await serve((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    )
    const readingPage = (await connect(page).send(call, never)).readEvents(() => undefined)
    expect((await errorOf(readingPage)).message).toMatch(/text\/html where an event stream was asked for/)
  })
})

describe('cancelling a call', () => {
  it('sends nothing when the signal is already set', async () => {
    const provider = connect('127.0.0.1:1')
    expect(await errorOf(provider.send(call, AbortSignal.abort()))).toMatchObject({
      code: 'cancelled',
      provider: 'acme',
    })
  })

  it('closes the connection at the provider before and after the head', async () => {
    for (const hasHead of [false, true]) {
      const arrived = Promise.withResolvers<void>()
      const closed = Promise.withResolvers<number>()
      const host = await serve((request, response) => {
        request.socket.on('close', () => closed.resolve(performance.now()))
        if (hasHead) response.writeHead(200, streamHead).write(': hello\n\n')
        arrived.resolve()
      })
      const stop = new AbortController()
      const reading = connect(host)
        .send(call, stop.signal)
        .then((answer) => answer.readEvents(() => undefined))
      await arrived.promise
      const abortedAt = performance.now()
      stop.abort()
      expect((await errorOf(reading)).code).toBe('cancelled')
      expect((await closed.promise) - abortedAt).toBeLessThan(1000)
    }
  })

  it('does not send a call that was cancelled while it waited for a connection', async () => {
    const release = Promise.withResolvers<void>()
    const runs: unknown[] = []
    const host = await serve(async (request, response) => {
      runs.push(request.headers['x-millrace-run'])
      await release.promise
      response.end('{}')
    })
    const provider = connect(host, { connections: 1 })
    const first = provider.send({ ...call, rid: 'first' }, never)
    const stop = new AbortController()
    const second = provider.send({ ...call, rid: 'second' }, stop.signal)
    stop.abort()
    expect((await errorOf(second)).code).toBe('cancelled')
    release.resolve()
    await (await first).readText()
    await (await provider.send({ ...call, rid: 'third' }, never)).readText()
    expect(runs).toEqual(['first', 'third'])
  })

  it('leaves no listener on the signal', async () => {
    const host = await serve((_, response) => response.end('{}'))
    const stop = new AbortController()
    await (await connect(host).send(call, stop.signal)).readText()
    expect(getEventListeners(stop.signal, 'abort')).toEqual([])
  })
})

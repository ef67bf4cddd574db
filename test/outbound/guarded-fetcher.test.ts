import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createGuardedFetcher, type Answer, type FetcherOptions } from '#libs/outbound'
import { startDnsServer } from '../support/dns-server.ts'
import { startReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts'

const opened: { close(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close()
})

async function receiver(host?: string, port?: number): Promise<WebhookReceiver> {
  const started = await startReceiver(host, port)
  opened.push(started)
  return started
}

function post(
  url: string,
  options: Partial<FetcherOptions> = {},
  limits: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<Answer> {
  const port = Number(new URL(url).port)
  const fetcher = createGuardedFetcher({ allowHttp: true, allowPrivate: true, ports: [port], ...options })
  opened.push(fetcher)
  const { timeoutMs = 5_000, signal = new AbortController().signal } = limits
  return fetcher.post({ url, headers: { 'x-from': 'here' }, body: '{"id":"evt_1"}', timeoutMs, signal })
}

test('sends a body, and tells the status of the answer', async () => {
  const there = await receiver()
  there.react = () => ({ status: 429, headers: { 'retry-after': '7' } })
  expect(await post(there.url)).toEqual({ status: 'answered', statusCode: 429, retryAfter: '7' })
  expect(there.received).toMatchObject([{ body: '{"id":"evt_1"}', headers: { 'x-from': 'here' } }])
})

describe('what must not be reached is never dialled', () => {
  test('an address in the URL', async () => {
    const canary = await receiver()
    const answer = await post(canary.url, { allowPrivate: false })
    expect(answer).toMatchObject({ status: 'refused' })
    expect(canary.received).toEqual([])
  })

  test('a name that stands for one, alone or among public ones', async () => {
    const canary = await receiver()
    const url = canary.url.replace('127.0.0.1', 'hooks.test')
    for (const addresses of [
      ['127.0.0.1'],
      ['93.184.216.34', '127.0.0.1'],
      ['10.0.0.1'],
      ['::1'],
      ['::ffff:7f00:1'],
    ]) {
      const answer = await post(url, { allowPrivate: false, lookup: async () => addresses })
      expect(answer, String(addresses)).toMatchObject({ status: 'refused' })
    }
    expect(canary.received).toEqual([])
  })

  test('the target of a redirect', async () => {
    const canary = await receiver()
    const there = await receiver()
    there.react = () => ({ status: 307, headers: { location: canary.url } })
    const answer = await post(there.url, { ports: [there.port, canary.port] })
    expect(answer).toMatchObject({ status: 'answered', statusCode: 307 })
    expect(canary.received).toEqual([])
  })

  test('what a name is turned to after it was checked', async () => {
    const there = await receiver('127.0.0.1')
    const canary = await receiver('127.0.0.2', there.port)
    const dns = await startDnsServer([['127.0.0.1'], ['127.0.0.2']])
    opened.push(dns)
    const url = there.url.replace('127.0.0.1', 'rebinding.test')
    expect(await post(url, dns)).toMatchObject({ status: 'answered', statusCode: 200 })
    // One question for one dial: what was checked is what was dialled.
    expect([dns.queries, there.received.length, canary.received.length]).toEqual([1, 1, 0])
  })

  test('a name that is turned to an inner address between two calls', async () => {
    const there = await receiver()
    const dns = await startDnsServer([['127.0.0.1'], ['169.254.169.254'], ['127.0.0.1', '169.254.169.254']])
    opened.push(dns)
    const url = there.url.replace('127.0.0.1', 'rebinding.test')
    const fetcher = createGuardedFetcher({
      allowHttp: true,
      allowPrivate: true,
      ports: [there.port],
      lookup: dns.lookup,
    })
    opened.push(fetcher)
    const call = { url, headers: {}, body: '{}', timeoutMs: 5_000, signal: new AbortController().signal }
    const answers = [await fetcher.post(call), await fetcher.post(call), await fetcher.post(call)]
    expect(answers.map(({ status }) => status)).toEqual(['answered', 'refused', 'refused'])
    expect([dns.queries, there.received.length]).toEqual([3, 1])
  })
})

describe('whatever goes wrong is told in words for the owner of the address', () => {
  test('nobody listens', async () => {
    const there = await receiver()
    await there.close()
    expect(await post(there.url)).toEqual({ status: 'unreachable', problem: 'Nobody listens there.' })
  })

  test('the name is not known', async () => {
    const lookup = (): Promise<never> =>
      Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }))
    const answer = await post('http://hooks.test:8080/', { lookup })
    expect(answer).toEqual({ status: 'unreachable', problem: 'The name is not known.' })
    const none = await post('http://hooks.test:8080/', { lookup: async () => [] })
    expect(none).toEqual({ status: 'unreachable', problem: 'The name is not known.' })
  })

  test('it says nothing', async () => {
    const there = await receiver()
    there.react = () => 'silence'
    const startedAtMs = performance.now()
    expect(await post(there.url, {}, { timeoutMs: 200 })).toMatchObject({ status: 'timeout' })
    expect(performance.now() - startedAtMs).toBeLessThan(2_000)
  })

  test('it speaks no HTTP, or closes the connection', async () => {
    for (const words of ['SSH-2.0-OpenSSH_9.6\r\n', '']) {
      const server = createServer((socket) => void socket.on('error', () => undefined).end(words))
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as { port: number }
      expect(await post(`http://127.0.0.1:${port}/`)).toMatchObject({ status: 'unreachable' })
      server.close()
    }
  })

  test('it has no certificate', async () => {
    const there = await receiver()
    const answer = await post(there.url.replace('http:', 'https:'))
    expect(answer).toMatchObject({ status: 'unreachable' })
  })

  test('the caller gives up', async () => {
    const there = await receiver()
    there.react = () => 'silence'
    const leaving = new AbortController()
    const posting = post(there.url, {}, { signal: leaving.signal })
    await there.gets(1)
    leaving.abort()
    expect(await posting).toMatchObject({ status: 'aborted' })
  })
})

test('an answer counts with its head: an endless body is neither read nor waited for', async () => {
  let sentBytes = 0
  const server = createHttpServer((_request, response) => {
    response.writeHead(200)
    const piece = Buffer.alloc(64 * 1024)
    const pour = (): void => {
      while (!response.destroyed && response.write(piece)) sentBytes += piece.length
    }
    response.on('drain', pour)
    pour()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.push({ close: async () => void server.close() })
  const { port } = server.address() as { port: number }
  const answer = await post(`http://127.0.0.1:${port}/`)
  expect(answer).toMatchObject({ status: 'answered', statusCode: 200 })
  expect(sentBytes).toBeLessThan(16 * 1024 * 1024)
})

test('each call is a dial of its own, and leaves no connection behind', async () => {
  const there = await receiver()
  await post(there.url)
  await post(there.url)
  expect(there.received.map(({ headers }) => headers.connection)).toEqual(['close', 'close'])
})

import { fetchEventSource } from '@microsoft/fetch-event-source'
import { EventSource } from 'eventsource'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { useGateway } from '../support/gateway.ts'
import { callApi } from '../support/http.ts'

const gateway = useGateway({ apis: 2 })
const chats = '/v1/chat/completions'
const body = {
  model: 'upstream/lorem?tokens=30&gap_ms=15',
  stream: true,
  messages: [{ role: 'user', content: 'Hello' }],
}

/** A bad line: it passes each request on to the next API, and cuts the answer after so many events. */
let line: Server
let passed: { method: string | undefined; lastEventId: string | undefined; status: number }[] = []
let cuts: number[] = []
let leaving = new AbortController()

beforeAll(async () => {
  line = createServer((request, response) => {
    passOn(request, response).catch(() => response.destroy())
  }).listen(0, '127.0.0.1')
  await once(line, 'listening')
})
afterAll(() => {
  line.closeAllConnections()
  line.close()
})
beforeEach(async () => {
  passed = []
  cuts = []
  leaving = new AbortController()
  await gateway().simulator.idle()
  gateway().simulator.reset()
})
afterEach(() => vi.unstubAllGlobals())

async function passOn(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const sent = await Array.fromAsync(request as AsyncIterable<Buffer>)
  const { apis } = gateway()
  const api = apis[passed.length % apis.length]!
  const headers = Object.entries(request.headers).filter(
    ([name]) => !['host', 'connection', 'content-length'].includes(name),
  )
  const answer = await fetch(api.url + request.url, {
    method: request.method!,
    headers: headers as [string, string][],
    ...(sent.length > 0 && { body: Buffer.concat(sent) }),
  })
  passed.push({
    method: request.method,
    lastEventId: request.headers['last-event-id'] as string | undefined,
    status: answer.status,
  })
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
  // So that the client need not wait for as long as browsers do.
  if (answer.status === 200) response.write('retry: 10\n')
  const cutAfter = cuts.shift() ?? Number.POSITIVE_INFINITY
  let events = 0
  for await (const chunk of answer.body ?? []) {
    await new Promise((sent) => response.write(chunk, sent))
    events += Buffer.from(chunk).toString().split('\n\n').length - 1
    if (events >= cutAfter) throw new Error('The line broke.')
  }
  response.end()
}

const lineUrl = (path: string) => `http://127.0.0.1:${(line.address() as AddressInfo).port}${path}`

test('an EventSource that loses its connection goes on where it was, and is sent away at the end', async () => {
  const { json } = await callApi(gateway().url + chats, { body, headers: { prefer: 'respond-async' } })
  cuts = [5, 4, 7]
  const source = new EventSource(lineUrl(`${chats}/${json.id}`))
  const ids: string[] = []
  source.addEventListener('message', ({ lastEventId, data }) => {
    if (data !== '[DONE]') ids.push(lastEventId)
  })
  const closed = Promise.withResolvers<void>()
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) closed.resolve()
  })
  await closed.promise

  expect(ids).toEqual(Array.from({ length: 32 }, (_, seq) => `${json.id}:${seq}`))
  expect(passed.map(({ status }) => status)).toEqual([200, 200, 200, 200, 204])
  expect(passed.at(-1)?.lastEventId).toBe(`${json.id}:31`)
  expect(gateway().simulator.journal().totals.calls).toBe(1)
})

test('a fetch-event-source that sends its POST again resumes the run and does not repeat it', async () => {
  // It is written for browsers, and asks whether its page is seen.
  vi.stubGlobal('document', { hidden: false, addEventListener: () => 0, removeEventListener: () => 0 })
  vi.stubGlobal('window', globalThis)
  cuts = [6, 8]
  const ids: string[] = []
  let isDone = false
  await fetchEventSource(lineUrl(chats), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: leaving.signal,
    onmessage({ id, data }) {
      if (data === '[DONE]') isDone = true
      else ids.push(id)
    },
    onerror: () => 10,
  })

  const rid = ids[0]?.split(':')[0]
  expect(isDone).toBe(true)
  expect(ids).toEqual(Array.from({ length: 32 }, (_, seq) => `${rid}:${seq}`))
  expect(passed).toMatchObject([
    { method: 'POST', lastEventId: undefined },
    { method: 'POST', lastEventId: expect.stringContaining(`${rid}:`) },
    { method: 'POST', lastEventId: expect.stringContaining(`${rid}:`) },
  ])
  expect(gateway().simulator.journal().totals).toMatchObject({ calls: 1, closedBy: { finished: 1 } })
})

test('a POST that comes back when all was delivered is told that there is no more', async () => {
  const answer = await callApi(gateway().url + chats, { body })
  const rid = answer.headers.get('x-millrace-run')
  const again = await callApi(gateway().url + chats, { body, headers: { 'last-event-id': `${rid}:31` } })
  expect(again).toMatchObject({ status: 204, text: '' })
  expect(gateway().simulator.journal().totals.calls).toBe(1)
})

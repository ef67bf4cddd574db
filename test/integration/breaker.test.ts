import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { eventually, startGateway, type Gateway } from '../support/gateway.ts'
import { callApi } from '../support/http.ts'

/** A provider that fails with 500 for as long as it is told to, and counts who comes. */
interface Upstream {
  url: string
  isIll: boolean
  hits: number
  server: Server
}

async function startUpstream(): Promise<Upstream> {
  const server = createServer((request, response) => {
    upstream.hits += 1
    request.resume()
    const message = { role: 'assistant', content: 'Here.' }
    const answer = { choices: [{ index: 0, message, finish_reason: 'stop' }] }
    response.writeHead(upstream.isIll ? 500 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(upstream.isIll ? { error: { message: 'I am ill.' } } : answer))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const upstream: Upstream = { url: `http://127.0.0.1:${port}/v1`, isIll: false, hits: 0, server }
  return upstream
}

const minCalls = 10
const concurrency = 4
const openMs = 1_500

let gateway: Gateway
let [first, second]: [Upstream, Upstream] = [] as unknown as [Upstream, Upstream]
beforeAll(async () => {
  ;[first, second] = await Promise.all([startUpstream(), startUpstream()])
  const targets = ['first', 'second'].map((provider) => ({ provider, model: 'm' }))
  gateway = await startGateway({
    apis: 2,
    workers: 3,
    config: {
      providers: {
        first: { base_url: first.url, concurrency },
        second: { base_url: second.url, concurrency },
      },
      model_defaults: { breaker: { min_calls: minCalls, open_ms: openMs, max_open_ms: openMs } },
      models: [
        { name: 'm', routing: 'priority', targets },
        { name: 'alone', retries: { default: 0 }, targets: [{ provider: 'first', model: 'n' }] },
      ],
    },
  })
})
afterAll(async () => {
  await gateway.close()
  for (const { server } of [first, second]) server.close()
})
beforeEach(() => {
  first.hits = second.hits = 0
})

async function ask(url = gateway.url): Promise<number> {
  const body = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] }
  return (await callApi(`${url}/v1/chat/completions`, { body })).status
}

/** The state of the first target's circuit, as one of the API processes tells it. */
async function circuitAt(url: string): Promise<string> {
  const { json } = await callApi(`${url}/readyz?verbose`)
  const circuits = json.circuits as { provider: string; state: string }[]
  return circuits.find(({ provider }) => provider === 'first')?.state ?? 'closed'
}

/** Four clients, each with one request after the other, until told to stop; gives how often each status came. */
function keepAsking(): () => Promise<Record<number, number>> {
  const statuses: Record<number, number> = {}
  let isOver = false
  const clients = [0, 1, 2, 3].map(async (client) => {
    while (!isOver) {
      const status = await ask(gateway.apis[client % 2]?.url)
      statuses[status] = (statuses[status] ?? 0) + 1
    }
  })
  return async () => {
    isOver = true
    await Promise.all(clients)
    return statuses
  }
}

test('an ill target is called no more often than its window says, and then by probes alone', async () => {
  first.isIll = true
  const stop = keepAsking()
  for (const { url } of gateway.apis) {
    await eventually('every API knows that it is ill', async () => (await circuitAt(url)) !== 'closed')
  }
  const hitsUntilOpen = first.hits
  // What runs when the circuit opens can't be called back.
  expect(hitsUntilOpen).toBeLessThanOrEqual(minCalls + concurrency)

  const openedAtMs = Date.now()
  await eventually('it was probed twice', () => first.hits >= hitsUntilOpen + 2)
  const rests = (Date.now() - openedAtMs) / openMs
  expect(rests).toBeGreaterThan(1.5)
  expect(second.hits).toBeGreaterThan(20)

  first.isIll = false
  const wellAtMs = Date.now()
  for (const { url } of gateway.apis) {
    await eventually('every API knows that it is well', async () => (await circuitAt(url)) === 'closed')
  }
  // One rest, and what a busy machine adds.
  expect(Date.now() - wellAtMs).toBeLessThan(2 * openMs)
  const hitsWhenWell = first.hits
  await eventually('it is called again', () => first.hits > hitsWhenWell + 20)
  expect(Object.keys(await stop())).toEqual(['200'])
})

test('where no other target is, who waits for the answer is told at once, and what was handed in for later waits', async () => {
  first.isIll = true
  const body = { model: 'alone', messages: [{ role: 'user', content: 'Hello' }] }
  const create = (headers: Record<string, string> = {}) => {
    return callApi(`${gateway.url}/v1/chat/completions`, { body, headers })
  }
  let refused = await create()
  await eventually('its circuit is open', async () => (refused = await create()).status === 503)
  expect(refused.json.error).toMatchObject({ code: 'circuit_open', type: 'service_unavailable_error' })
  expect(Number(refused.headers.get('retry-after-ms'))).toBeLessThanOrEqual(openMs)

  const hits = first.hits
  const { json: job } = await create({ prefer: 'respond-async' })
  first.isIll = false
  await eventually('the job is done', async () => {
    const { json } = await callApi(`${gateway.url}/v1/jobs/${String(job.id)}`)
    expect(json.status).not.toBe('failed')
    return json.status === 'completed'
  })
  expect(first.hits).toBe(hits + 1)
})

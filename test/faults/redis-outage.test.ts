import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/gateway.ts'
import { findFreePort } from '../support/redis-process.ts'
import { providerName, startFleet, type Fleet } from './fleet.ts'
import { readMany } from './read-many.ts'
import { scaled } from './scale.ts'
import { clean, judge } from './verdict.ts'

const recoveryMs = 20_000

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ apis: 2, workers: 3 })
})
afterAll(() => fleet.close())

/** One short stream, from the request to its end. */
async function timeAStream(name: string): Promise<number> {
  const model = 'lorem?tokens=2&gap_ms=1'
  const [result] = await readMany(fleet, { name, streams: 1, model, deadlineMs: recoveryMs })
  expect(result).toMatchObject({ outcome: 'completed' })
  return result?.tookMs ?? Number.POSITIVE_INFINITY
}

async function ask(): Promise<{ status: number; retryAfter: string | null; tookMs: number; body: unknown }> {
  const startedMs = performance.now()
  const [url] = fleet.urls()
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: `${providerName}/lorem?tokens=1`,
      stream: true,
      messages: [{ role: 'user', content: `refused ${Math.random()}` }],
    }),
  })
  const text = await response.text()
  const body: unknown = response.ok ? text : JSON.parse(text)
  const retryAfter = response.headers.get('retry-after')
  return { status: response.status, retryAfter, tookMs: performance.now() - startedMs, body }
}

test.each([1, 5, ...(scaled(0, 1) ? [15, 60] : [])])(
  'Redis killed for %i s costs no answer and no second call',
  async (outageSeconds) => {
    const name = `outage ${outageSeconds}`
    const tokens = 60
    const model = `lorem?tokens=${tokens}&gap_ms=60`
    const reading = readMany(fleet, { name, streams: 100, model, deadlineMs: 40_000 + outageSeconds * 1000 })
    await sleep(1_500)

    await fleet.redis.kill()
    const refusal = await ask()
    await sleep(outageSeconds * 1_000)
    await fleet.redis.start()
    const recoveredMs = await timeAStream(`after ${name}`)
    const results = await reading

    expect(refusal).toMatchObject({ status: 503, retryAfter: '2', body: { error: { code: 'overloaded' } } })
    expect(refusal.tookMs).toBeLessThan(2_500)
    expect(recoveredMs).toBeLessThan(recoveryMs)
    const { verdict, completed, failed } = await judge(fleet, results, { model })
    expect(verdict).toEqual(clean)
    expect({ completed, failed }).toEqual({ completed: 100, failed: {} })
  },
  scaled(60_000, 150_000),
)

/** Every answer of a worker's health check, as long as it is asked for. */
function watchHealth(port: number): { seen: readonly number[]; stop(): Promise<void> } {
  const seen: number[] = []
  let isOver = false
  const watching = (async () => {
    while (!isOver) {
      seen.push((await fetch(`http://127.0.0.1:${port}/healthz`)).status)
      await sleep(200)
    }
  })()
  return {
    seen,
    async stop() {
      isOver = true
      await watching
    },
  }
}

test('a half-open Redis is noticed, shown by the health check, and left for a new connection', async () => {
  const port = await findFreePort()
  await fleet.addWorker('--metrics-port', String(port))
  const health = watchHealth(port)
  const model = 'lorem?tokens=100&gap_ms=50'
  const reading = readMany(fleet, { name: 'half-open', streams: 20, model, deadlineMs: 60_000 })
  await sleep(1_000)

  fleet.proxy.set({ blackhole: true })
  await sleep(8_000)
  fleet.proxy.freeze()
  const recoveredMs = await timeAStream('after half-open')
  const results = await reading

  expect(recoveredMs).toBeLessThan(recoveryMs)
  const { verdict, completed, failed } = await judge(fleet, results, { model })
  expect({ verdict, completed, failed }).toEqual({ verdict: clean, completed: 20, failed: {} })
  const isWellAgain = (): boolean => health.seen.includes(503) && health.seen.at(-1) === 200
  await eventually('the worker is unwell, and well again', isWellAgain, recoveryMs)
  await health.stop()
}, 90_000)

test('answers of Redis that are lost double nothing', async () => {
  const model = 'lorem?tokens=40&gap_ms=50'
  const reading = readMany(fleet, { name: 'deaf', streams: 60, model, deadlineMs: 45_000, rampMs: 2_000 })
  for (let round = 0; round < 4; round += 1) {
    await sleep(400)
    fleet.proxy.set({ dropReplies: true })
    await sleep(100)
    fleet.proxy.set({})
  }
  const results = await reading

  const { verdict, completed, failed } = await judge(fleet, results, { model, archivedWithinMs: 15_000 })
  expect({ verdict, completed, failed }).toEqual({ verdict: clean, completed: 60, failed: {} })
}, 80_000)

test('a Redis that has lost everything gets the running streams back from their workers', async () => {
  const model = 'lorem?tokens=80&gap_ms=50'
  const reading = readMany(fleet, { name: 'amnesia', streams: 20, model, deadlineMs: 45_000 })
  await sleep(1_500)

  await fleet.client.flushall()
  const results = await reading

  const { verdict, completed, failed } = await judge(fleet, results, { model })
  expect({ verdict, completed, failed }).toEqual({ verdict: clean, completed: 20, failed: {} })
}, 80_000)

test('a run of which nothing was said yet is written down again too', async () => {
  const model = 'lorem?tokens=3&ttft_ms=8000&gap_ms=10'
  const reading = readMany(fleet, { name: 'silent', streams: 1, model, deadlineMs: 30_000 })
  await eventually('the provider is called', async () => (await fleet.client.zcard('mr:running')) === 1)

  await fleet.client.flushall()
  await eventually('the run is back', async () => (await fleet.client.keys('mr:run:*')).length === 1, 5_000)

  const { verdict, completed } = await judge(fleet, await reading, { model })
  expect({ verdict, completed }).toEqual({ verdict: clean, completed: 1 })
}, 40_000)

test('a Redis that is nearly full refuses new runs, finishes those at hand, and takes new ones when it has room', async () => {
  const model = 'lorem?tokens=60&gap_ms=50'
  const reading = readMany(fleet, { name: 'full', streams: 20, model, deadlineMs: 30_000 })
  await sleep(1_000)
  const used = /used_memory:(\d+)/.exec(await fleet.client.info('memory'))?.[1]
  await fleet.client.config('SET', 'maxmemory', String(Math.round(Number(used) * 1.2)))

  await eventually('new runs are refused', async () => (await ask()).status === 503)
  const results = await reading
  expect((await ask()).retryAfter).toBe('2')
  await fleet.client.config('SET', 'maxmemory', '0')
  await eventually('new runs are taken', async () => (await ask()).status === 200, 5_000)

  const { verdict, completed } = await judge(fleet, results, { model })
  expect({ verdict, completed }).toEqual({ verdict: clean, completed: 20 })
}, 40_000)

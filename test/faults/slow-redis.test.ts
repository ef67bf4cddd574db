import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/gateway.ts'
import { providerName, startFleet, type Fleet } from './fleet.ts'
import { readMany } from './read-many.ts'
import { scaled } from './scale.ts'
import { clean, judge } from './verdict.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ apis: 2, workers: 2 })
})
afterAll(() => fleet.close())
afterEach(() => fleet.proxy.set({}))

test('a Redis that takes 200 ms each way delays streams by moments and costs none of them anything', async () => {
  const model = 'lorem?tokens=50&gap_ms=50'
  fleet.proxy.set({ latencyMs: 200 })

  // A worker takes one job in each round trip, so that the last of many would wait for the others.
  const results = await readMany(fleet, { name: 'far', streams: 10, model, deadlineMs: 30_000 })

  const { verdict, completed, refusals, slowestMs } = await judge(fleet, results, { model })
  expect({ verdict, completed, refusals }).toEqual({ verdict: clean, completed: 10, refusals: 0 })
  expect(slowestMs).toBeLessThan(50 * 50 + 5_000)
}, 60_000)

test.each([3, ...(scaled(0, 1) ? [10] : [])])(
  'a Redis that does not answer for %i s has no run given to a second worker',
  async (seconds) => {
    const model = `lorem?tokens=${(seconds + 3) * 20}&gap_ms=50`
    const reading = readMany(fleet, { name: `asleep ${seconds}`, streams: 50, model, deadlineMs: 45_000 })
    await sleep(1_500)

    await fleet.redis.pause(seconds * 1_000)
    const results = await reading

    const { verdict, completed, failed } = await judge(fleet, results, { model })
    expect({ verdict, completed, failed }).toEqual({ verdict: clean, completed: 50, failed: {} })
  },
  60_000,
)

async function ask(): Promise<{ status: number; retryAfter: string | null; code: unknown }> {
  const [url] = fleet.urls()
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: `${providerName}/lorem?tokens=1`,
      messages: [{ role: 'user', content: `full ${Math.random()}` }],
    }),
  })
  const { error } = (await response.json()) as { error?: { code: unknown } }
  return { status: response.status, retryAfter: response.headers.get('retry-after'), code: error?.code }
}

test('a Redis that is full refuses the next request at once, and loses nothing of the runs at hand', async () => {
  const model = 'lorem?tokens=60&gap_ms=50'
  const reading = readMany(fleet, { name: 'full', streams: 30, model, deadlineMs: 40_000 })
  await sleep(1_500)

  await fleet.client.config('SET', 'maxmemory', '1mb')
  expect(await ask()).toEqual({ status: 503, retryAfter: '2', code: 'overloaded' })
  await sleep(4_000)
  await fleet.client.config('SET', 'maxmemory', '0')
  await eventually('new runs are taken', async () => (await ask()).status === 200, 5_000)

  const { verdict, completed, failed } = await judge(fleet, await reading, { model })
  expect({ verdict, completed, failed }).toEqual({ verdict: clean, completed: 30, failed: {} })
}, 60_000)

test('finished runs make room in a full Redis as soon as the archive has them', async () => {
  fleet.s3.faults.push(...Array.from({ length: 10_000 }, () => ({ status: 503, code: 'SlowDown' })))
  const model = 'lorem?tokens=5&gap_ms=1'
  const results = await readMany(fleet, { name: 'kept', streams: 10, model, deadlineMs: 10_000 })
  expect(await fleet.client.zcard('mr:outbox')).toBeGreaterThanOrEqual(10)

  await fleet.client.config('SET', 'maxmemory', '1mb')
  fleet.s3.faults.length = 0
  await eventually('the outbox is empty', async () => (await fleet.client.zcard('mr:outbox')) === 0, 15_000)
  for (const { rid } of results) expect(await fleet.client.exists(`mr:run:${rid}`)).toBe(0)
  await fleet.client.config('SET', 'maxmemory', '0')

  const { verdict, completed } = await judge(fleet, results, { model })
  expect({ verdict, completed }).toEqual({ verdict: clean, completed: 10 })
}, 40_000)

test('a herd of clients that comes back after a restart is served whole', async () => {
  const streams = scaled(500, 2_000)
  const model = 'lorem?tokens=20&gap_ms=500'
  let begun = 0
  const reading = readMany(fleet, {
    name: 'herd',
    streams,
    model,
    deadlineMs: 60_000,
    onFrame: (seq) => (begun += Number(seq === 0)),
  })
  await eventually('most streams have begun', () => begun > streams * 0.9)

  await Promise.all([fleet.redis.kill(), fleet.apis[0]?.kill()])
  await fleet.redis.start()
  const restartedMs = performance.now()
  const results = await reading
  const overMs = performance.now() - restartedMs

  const { verdict, completed, failed, resumes } = await judge(fleet, results, { model })
  expect({ verdict, completed, failed }).toEqual({ verdict: clean, completed: streams, failed: {} })
  expect(resumes).toBeGreaterThan(streams / 4)
  // Of an idle machine 15 s would be asked; this one may run other tests.
  expect(overMs).toBeLessThan(20 * 500 + 40_000)
  process.stdout.write(`${streams} streams of 10 s were over ${Math.round(overMs)} ms after the restart\n`)
}, 100_000)

import { beforeEach, expect, test } from 'vitest'
import { measureWaits, percentile } from '../support/flood.ts'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi, type JsonObject } from '../support/http.ts'

const others = Array.from({ length: 8 }, (_, index) => `sk-tenant-${index}`)
const gateway = useGateway({
  config: {
    keys: [
      ...others.map((key, index) => ({ key, tenant: `tenant-${index}` })),
      { key: 'sk-noisy', tenant: 'noisy' },
      { key: 'sk-limited', tenant: 'limited' },
    ],
    tenants: { limited: { max_waiting: 6, max_running: 1 } },
    general: { aging_ms: { batch: 500 } },
    providers: { shared: { concurrency: 2 }, narrow: { concurrency: 1 }, wide: { concurrency: 20 } },
  },
})
beforeEach(async () => {
  await gateway().simulator.idle()
  gateway().simulator.reset()
})

const messages = [{ role: 'user', content: 'Hello' }]

function post(key: string, fields: JsonObject, headers: Record<string, string> = {}) {
  return callApi(`${gateway().url}/v1/chat/completions`, {
    body: { messages, ...fields },
    headers: { authorization: `Bearer ${key}`, prefer: 'respond-async', ...headers },
  })
}

async function jobOf(key: string, id: string): Promise<JsonObject> {
  const headers = { authorization: `Bearer ${key}` }
  return (await callApi(`${gateway().url}/v1/jobs/${id}`, { headers })).json
}

async function cancel(key: string, id: string): Promise<void> {
  const headers = { authorization: `Bearer ${key}` }
  const { json } = await callApi(`${gateway().url}/v1/jobs/${id}/cancel`, { method: 'POST', headers })
  expect(json).toMatchObject({ status: 'cancelled' })
}

test('a tenant has no more at the provider at once than it may, and no place stays empty meanwhile', async () => {
  const model = 'wide/lorem?tokens=10&gap_ms=20'
  const startedMs = performance.now()
  for (let count = 0; count < 6; count++) {
    expect(await post('sk-limited', { model: 'wide/lorem?tokens=11&gap_ms=20' })).toMatchObject({
      status: 202,
    })
  }
  const answers = await Promise.all(others.map((key) => post(key, { model }, { prefer: 'wait=10' })))
  expect(answers.map(({ status }) => status)).toEqual(others.map(() => 200))

  await eventually('all have run', () => gateway().simulator.journal().totals.closedBy.finished === 14)
  const { models } = gateway().simulator.journal().totals
  expect(models['lorem?tokens=11&gap_ms=20']).toMatchObject({ calls: 6, maxInFlight: 1 })
  // Each of the six took 200 ms, and began when the one before it had ended.
  expect(performance.now() - startedMs).toBeLessThan(6 * 200 + 2_500)
})

test('a tenant whose own part of the buffer is full is told so, and others are not', async () => {
  const model = 'narrow/lorem?tokens=1000&gap_ms=20'
  const answers = []
  for (let count = 0; count < 8; count++) answers.push(await post('sk-limited', { model }))

  // The first one may have begun, and then one more may wait.
  const refused = answers.at(-1)
  expect(answers.slice(0, 6).map(({ status }) => status)).toEqual([202, 202, 202, 202, 202, 202])
  expect(refused).toMatchObject({ status: 429, json: { error: { code: 'queue_full' } } })
  expect(refused?.json.error.message).toContain('tenant limited')
  expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0)
  const other = await post('sk-noisy', { model })
  expect(other.status).toBe(202)

  await cancel('sk-noisy', other.json.id as string)
  for (const { status, json } of answers) if (status === 202) await cancel('sk-limited', json.id as string)
})

test('what waits too long in a late lane has its turn though the first lane never rests', async () => {
  const model = 'narrow/lorem?tokens=10&gap_ms=20'
  const urgent = { 'x-millrace-priority': 'interactive' }
  for (let count = 0; count < 30; count++) await post('sk-noisy', { model }, urgent)
  const late = await post(others[0]!, { model }, { 'x-millrace-priority': 'batch' })
  const last = await post('sk-noisy', { model }, urgent)
  expect((await jobOf(others[0]!, late.json.id as string)).queue_position).toBeGreaterThan(20)

  const isOver = async () => (await jobOf(others[0]!, late.json.id as string)).status === 'completed'
  await eventually('the late one has run', isOver)

  expect(await jobOf('sk-noisy', last.json.id as string)).toMatchObject({ status: 'queued' })
})

// The last one, since it leaves a backlog.
test('a tenant that floods a queue with twenty times what all others send costs them less than as much again', async () => {
  // A run takes 400 ms, so that two places give five runs a second, of which the others ask for four.
  const load = {
    url: gateway().url,
    model: 'shared/lorem?tokens=20&gap_ms=20',
    others,
    noisy: 'sk-noisy',
    perBurst: 1,
    roundMs: 2000,
  }

  const alone = await measureWaits({ ...load, rounds: 1, times: 0 })
  const flooded = await measureWaits({ ...load, rounds: 2, times: 20 })

  const [before, during] = [percentile(alone.waits, 0.95), percentile(flooded.waits, 0.95)]
  process.stdout.write(
    `p95 wait of ${flooded.waits.length}: ${before} ms alone, ${during} ms beside ${flooded.flooded}\n`,
  )
  expect(before).toBeGreaterThan(800)
  expect(during).toBeLessThanOrEqual(2 * before)
  expect(flooded.flooded).toBeGreaterThanOrEqual(20 * flooded.waits.length)
})

import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { eventually, useGateway } from '../../support/gateway.ts'
import { callApi, type JsonObject } from '../../support/http.ts'

const good = 'lorem?tokens=3'
const limited = (retryAfterMs: number) => `lorem?tokens=3&fail=429&times=1&retry_after_ms=${retryAfterMs}`
const keys = (name: string) => ({ keys: [{ name: 'only', value: `sk-${name}` }] })
const single = (provider: string, model: string) => ({
  name: `${provider}-model`,
  targets: [{ provider, model }],
})

const gateway = useGateway({
  config: {
    general: { max_wait_ms: 6_000 },
    providers: {
      rests: keys('rests'),
      stops: keys('stops'),
      late: keys('late'),
      gone: keys('gone'),
      sibling: keys('sibling'),
      long: keys('long'),
      slow: { concurrency: 1 },
      free: {},
    },
    models: [
      single('rests', limited(2_500)),
      single('stops', limited(3_000)),
      single('late', limited(5_000)),
      single('gone', limited(1_500)),
      {
        name: 'siblings',
        targets: [
          { provider: 'sibling', model: limited(5_500), weight: 1_000_000 },
          { provider: 'free', model: good },
        ],
      },
      {
        name: 'falls',
        targets: [{ provider: 'long', model: limited(20_000) }],
        fallbacks: { default: ['free-model'] },
      },
      { name: 'fails', targets: [{ provider: 'long', model: limited(20_000) }] },
      single('free', good),
      {
        name: 'quick',
        deadline_ms: 700,
        targets: [{ provider: 'free', model: 'lorem?tokens=200&gap_ms=50' }],
      },
      {
        name: 'patient',
        timeouts: { first_byte_ms: 300 },
        targets: [{ provider: 'free', model: 'lorem?ttft_ms=8000' }],
      },
      {
        name: 'hasty',
        timeouts: { first_byte_ms: 60_000 },
        targets: [{ provider: 'free', model: 'lorem?ttft_ms=8000', timeouts: { first_byte_ms: 300 } }],
      },
      {
        name: 'again',
        retries: { timeout: 1 },
        timeouts: { first_byte_ms: 300 },
        targets: [{ provider: 'free', model: 'lorem?fail=stall&times=1&tokens=3' }],
      },
    ],
  },
})
let redis: Redis
beforeAll(() => {
  redis = new Redis(gateway().redis.url)
})
afterAll(() => redis.quit())
beforeEach(async () => {
  await gateway().simulator.idle()
  gateway().simulator.reset()
})

function ask(model: string, headers: Record<string, string> = {}, fields: JsonObject = {}) {
  const body = { model, messages: [{ role: 'user', content: 'Hello' }], ...fields }
  return callApi(`${gateway().url}/v1/chat/completions`, { body, headers })
}

async function submit(model: string, headers: Record<string, string> = {}): Promise<string> {
  const { json } = await ask(model, { prefer: 'respond-async', ...headers })
  return json.id as string
}

const readJob = (id: string) => callApi(`${gateway().url}/v1/jobs/${id}`).then(({ json }) => json)
const isPutBack = async (id: string) => {
  const { status, attempts } = await readJob(id)
  return status === 'queued' && (attempts as unknown[]).length === 1
}
const calls = () => gateway().simulator.journal().totals.calls

test('a run whose only key rests waits without a place at the provider, and is called when the key is back', async () => {
  const startedAt = performance.now()
  const id = await submit('rests-model')
  await eventually('it is put back', () => isPutBack(id))

  await eventually('its job waits', async () => (await redis.zcard('mr:q:rests:delayed')) === 1)
  expect(await redis.llen('mr:q:rests:active')).toBe(0)
  await eventually('it has ended', async () => (await readJob(id)).status === 'completed')

  const tookMs = performance.now() - startedAt
  expect(tookMs).toBeGreaterThan(2_300)
  expect(tookMs).toBeLessThan(9_000)
  expect((await readJob(id)).attempts.map(({ key, outcome }: JsonObject) => [key, outcome])).toEqual([
    ['only', 'rate_limit_exceeded'],
    ['only', 'ok'],
  ])
  expect(calls()).toBe(2)
})

test('a run that waits for a key is cancelled at once, and not called after', async () => {
  const id = await submit('stops-model')
  await eventually('it is put back', () => isPutBack(id))

  const { json } = await callApi(`${gateway().url}/v1/jobs/${id}/cancel`, { method: 'POST' })

  expect(json).toMatchObject({ status: 'cancelled', attempts: [{ outcome: 'rate_limit_exceeded' }] })
  await eventually('its job is gone', async () => (await redis.exists(`mr:q:stops:${id}`)) === 0)
  expect(calls()).toBe(1)
  expect(await redis.zcard('mr:waiting:stops')).toBe(0)
})

test('a run whose key is not back in time fails at once, with the time at which it is', async () => {
  const { status, headers, json } = await ask('late-model', { 'x-millrace-deadline-ms': '3000' })

  expect([status, json.error.code]).toEqual([429, 'rate_limit_exceeded'])
  expect(Number(headers.get('retry-after-ms'))).toBeGreaterThan(4_000)
  expect(Number(headers.get('retry-after-ms'))).toBeLessThanOrEqual(5_000)
  const again = await ask('late-model', { 'x-millrace-deadline-ms': '1000' })
  expect(again.status).toBe(429)
  expect(Number(again.headers.get('retry-after-ms'))).toBeLessThan(5_000)
  expect(calls()).toBe(1)
})

test('a run that waits for capacity at its deadline ends as limited, whoever is left to see it', async () => {
  const answer = ask('gone-model', { 'x-millrace-deadline-ms': '2500' })
  await eventually('it is put back', async () => (await redis.zcard('mr:q:gone:delayed')) === 1)
  await gateway().workers[0]?.stop('SIGKILL')
  await eventually('its deadline has passed', async () => {
    const [, at] = await redis.zrange('mr:deadlines', '0', '0', 'WITHSCORES')
    return Date.now() > Number(at)
  })
  await gateway().workers[0]?.restart()

  const { status, json, headers } = await answer
  expect([status, json.error.code]).toEqual([429, 'rate_limit_exceeded'])
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
  expect(calls()).toBe(1)
  expect(await redis.zcard('mr:deadlines')).toBe(0)
}, 60_000)

test('a target that is free goes before waiting for one that is not', async () => {
  const startedAt = performance.now()
  const { headers, status } = await ask('siblings')

  expect([status, headers.get('x-millrace-provider')]).toEqual([200, 'free'])
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

test('a fallback goes before waiting for too long, and without one the client is told how long', async () => {
  const { headers, status } = await ask('falls')
  expect([status, headers.get('x-millrace-fallback')]).toEqual([200, 'free-model'])

  const failed = await ask('fails')
  expect([failed.status, failed.json.error.code]).toEqual([429, 'rate_limit_exceeded'])
  expect(Number(failed.headers.get('retry-after'))).toBeGreaterThan(15)
})

test('a run that no worker was free for by its deadline ends then', async () => {
  await submit('slow/lorem?tokens=100&gap_ms=50')
  await eventually('the place is taken', () => calls() === 1)
  const startedAt = performance.now()
  const { status, json } = await ask('slow/lorem?tokens=3', { 'x-millrace-deadline-ms': '600' })

  expect([status, json.error.code]).toEqual([504, 'deadline_exceeded'])
  expect(performance.now() - startedAt).toBeGreaterThan(500)
  expect(performance.now() - startedAt).toBeLessThan(4_500)
})

test('a call is stopped at the deadline of its model, and what was streamed is kept', async () => {
  const whole = await ask('quick')
  expect([whole.status, whole.json.error.code]).toEqual([504, 'deadline_exceeded'])

  const { status, text } = await ask('quick', {}, { stream: true })
  expect(status).toBe(200)
  expect(text).toContain('"content"')
  expect(text).toContain('deadline_exceeded')
  await gateway().simulator.idle()
  expect(gateway().simulator.journal().totals.closedBy.client).toBe(2)
})

test.each(['patient', 'hasty'])(
  'the time-outs of a model and a target hold for their calls, %s',
  async (model) => {
    const startedAt = performance.now()
    const { status, json } = await ask(model)
    expect([status, json.error.code]).toEqual([504, 'upstream_timeout'])
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    expect(calls()).toBe(1)
  },
)

test('a time-out is followed by another call only where the operator says so', async () => {
  expect(await ask('again')).toMatchObject({ status: 200 })
  expect(calls()).toBe(2)
})

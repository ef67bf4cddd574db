import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi, type JsonObject } from '../support/http.ts'

const gateway = useGateway({
  apis: 2,
  workers: 2,
  config: {
    keys: [
      { key: 'sk-first', tenant: 'first' },
      { key: 'sk-night', tenant: 'first', priority: 'batch' },
    ],
    providers: {
      narrow: { concurrency: 1 },
      short: { concurrency: 1, buffer_size: 2 },
      wide: { concurrency: 3 },
    },
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

const messages = [{ role: 'user', content: 'Hello' }]
const first = { authorization: 'Bearer sk-first' }

function post(fields: JsonObject, headers: Record<string, string> = {}, api = 0) {
  return callApi(`${gateway().apis[api]?.url}/v1/chat/completions`, {
    body: { messages, ...fields },
    headers: { ...first, ...headers },
  })
}

/** A run that holds its provider's only place for a while; resolves when it does. */
async function occupy(provider: string, tokens: number): Promise<void> {
  const calls = () => gateway().simulator.journal().totals.calls
  const before = calls()
  await post({ model: `${provider}/lorem?tokens=${tokens}&gap_ms=20` }, { prefer: 'respond-async' })
  await eventually('the provider is called', () => calls() > before)
}

test('a full buffer refuses with 429, says when to come back, and keeps nothing', async () => {
  await occupy('short', 50)
  const model = 'short/lorem?tokens=1'
  const answers = []
  for (const fields of [{}, { stream: true }, {}, { stream: true }]) {
    answers.push(await post({ model, ...fields }, { prefer: 'respond-async' }))
  }
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 429, 429])
  for (const { json, headers } of answers.slice(2)) {
    expect(json.error).toMatchObject({ type: 'rate_limit_error', code: 'queue_full', param: null })
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    expect(headers.get('x-should-retry')).not.toBe('false')
  }
  expect(await redis.zcard('mr:waiting:short')).toBe(2)
  expect(await post({ model: 'wide/lorem?tokens=1' })).toMatchObject({ status: 200 })

  await eventually('the queue is empty', async () => (await redis.zcard('mr:waiting:short')) === 0)
  expect(await post({ model })).toMatchObject({ status: 200 })
})

test('two workers together never call a provider more often at once than it allows', async () => {
  const model = 'wide/lorem?tokens=5&gap_ms=10'
  const answers = await Promise.all(Array.from({ length: 40 }, (_, index) => post({ model }, {}, index % 2)))
  expect(answers.every(({ status }) => status === 200)).toBe(true)
  expect(new Set(answers.map(({ json }) => json.id as string)).size).toBe(40)
  expect(gateway().simulator.journal().totals).toMatchObject({ calls: 40, maxInFlight: 3 })
})

test('what is urgent overtakes what is not, and equals keep their order', async () => {
  await occupy('narrow', 25)
  const order = ['batch', 'standard', 'interactive', 'batch', 'interactive', 'standard']
  const ids: string[] = []
  for (const lane of order) {
    const { json } = await post(
      { model: 'narrow/lorem?tokens=1' },
      { prefer: 'respond-async', 'x-millrace-priority': lane },
    )
    ids.push(json.id as string)
  }
  const night = await post(
    { model: 'narrow/lorem?tokens=1' },
    { prefer: 'respond-async', authorization: 'Bearer sk-night' },
  )
  ids.push(night.json.id as string)
  await eventually('all have run', () => gateway().simulator.journal().totals.closedBy.finished === 8)
  const called = gateway()
    .simulator.journal()
    .entries.map(({ headers }) => headers['x-millrace-run'])
  expect(called.slice(1)).toEqual([2, 4, 1, 5, 0, 3, 6].map((index) => ids[index]))
})

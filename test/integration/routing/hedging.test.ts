import { beforeEach, expect, test } from 'vitest'
import { useGateway } from '../../support/gateway.ts'
import { callApi, type JsonObject } from '../../support/http.ts'

const stalls = 'lorem?fail=stall'
const good = 'lorem?tokens=3'
const hedge = { delay_ms: 150 }
const keys = [
  { name: 'one', value: 'sk-one' },
  { name: 'two', value: 'sk-two' },
]

const gateway = useGateway({
  config: {
    providers: { a: {}, b: {}, keyed: { keys } },
    model_defaults: { retries: { server_error: 0 } },
    models: [
      {
        name: 'other',
        hedge,
        routing: 'priority',
        targets: [
          { provider: 'a', model: stalls },
          { provider: 'b', model: good },
          { provider: 'a', model: good },
        ],
      },
      { name: 'keyed', hedge, targets: [{ provider: 'keyed', model: `${stalls}&times=1&tokens=3` }] },
      { name: 'same', hedge, targets: [{ provider: 'a', model: `${stalls}&times=1&tokens=3` }] },
      { name: 'quick', hedge: { delay_ms: 10_000 }, targets: [{ provider: 'a', model: good }] },
      { name: 'slow', hedge, targets: [{ provider: 'a', model: 'lorem?tokens=3&ttft_ms=600' }] },
      {
        name: 'both-fail',
        hedge,
        routing: 'priority',
        targets: [
          { provider: 'a', model: 'lorem?fail=503&ttft_ms=400' },
          { provider: 'a', model: 'lorem?fail=500' },
        ],
      },
    ],
  },
})

beforeEach(async () => {
  await gateway().simulator.idle()
  gateway().simulator.reset()
})

async function ask(model: string, fields: JsonObject = {}) {
  const body = { model, messages: [{ role: 'user', content: 'Hello' }], ...fields }
  const answer = await callApi(`${gateway().url}/v1/chat/completions`, { body })
  const job = await callApi(`${gateway().url}/v1/jobs/${answer.headers.get('x-millrace-run')}`)
  const outcomes = (job.json.attempts as JsonObject[]).map(({ model: called, key, outcome }) => [
    called,
    key,
    outcome,
  ])
  await gateway().simulator.idle()
  return { ...answer, outcomes }
}

const closedBy = () => gateway().simulator.journal().totals.closedBy

test.each([{}, { stream: true }])(
  'a call that says nothing gets a second one beside it, and who answers first is heard, %o',
  async (fields) => {
    const { status, headers, outcomes, text } = await ask('other', fields)

    expect(status).toBe(200)
    expect(text).not.toContain('"error"')
    expect(outcomes).toEqual([
      [stalls, null, 'cancelled'],
      [good, null, 'ok'],
    ])
    expect([headers.get('x-millrace-provider'), headers.get('x-millrace-model')]).toEqual(['a', good])
    expect(closedBy()).toMatchObject({ client: 1, finished: 1 })
  },
)

test('the second call has another key where there is one', async () => {
  const { status, outcomes } = await ask('keyed')
  expect(status).toBe(200)
  expect(new Set(outcomes.map(([, key]) => key))).toEqual(new Set(['one', 'two']))
})

test('a target that is alone is called twice', async () => {
  const { status, outcomes } = await ask('same', { stream: true })
  expect(status).toBe(200)
  expect(outcomes.map(([, , outcome]) => outcome)).toEqual(['cancelled', 'ok'])
})

test('who answers in time is called once', async () => {
  expect((await ask('quick')).outcomes).toHaveLength(1)
  expect((await ask('quick', { stream: true })).outcomes).toHaveLength(1)
})

test('the first call may win all the same', async () => {
  const { status, outcomes } = await ask('slow')
  expect(status).toBe(200)
  expect(outcomes.map(([, , outcome]) => outcome)).toEqual(['ok', 'cancelled'])
})

test('if both fail, the first is told of', async () => {
  const { status, outcomes } = await ask('both-fail')
  expect(status).toBe(503)
  expect(outcomes.map(([, , outcome]) => outcome).slice(0, 2)).toEqual(['upstream_error', 'upstream_error'])
})

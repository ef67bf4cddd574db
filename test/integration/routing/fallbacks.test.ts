import { beforeEach, expect, test } from 'vitest'
import { useGateway } from '../../support/gateway.ts'
import { callApi, type JsonObject } from '../../support/http.ts'

const good = 'lorem?tokens=3'
const bad = 'lorem?fail=500'
const target = (provider: string, model: string, more: object = {}) => ({ provider, model, ...more })

const gateway = useGateway({
  workers: 2,
  config: {
    providers: { a: {}, b: {}, c: {}, dead: { base_url: 'http://127.0.0.1:1/v1' } },
    // What a circuit does with targets that go on failing has tests of its own.
    model_defaults: { retries: { server_error: 1 }, retry_delay_ms: 10, cooldown: { duration_ms: 0 } },
    models: [
      { name: 'ordered', targets: [target('a', bad), target('b', good, { order: 2 })] },
      {
        name: 'long',
        targets: [
          target('dead', 'x'),
          target('a', bad, { order: 2 }),
          target('a', 'lorem?fail=503', { order: 3 }),
          target('b', good, { order: 4 }),
        ],
      },
      { name: 'here', routing: 'priority', targets: [target('a', bad), target('a', good)] },
      {
        name: 'there-and-back',
        routing: 'priority',
        targets: [target('a', bad), target('b', bad), target('a', good)],
      },
      { name: 'good', targets: [target('c', good)] },
      { name: 'bad', targets: [target('b', 'lorem?fail=503')] },
      { name: 'falls', targets: [target('a', bad)], fallbacks: { default: ['bad', 'good'] } },
      { name: 'sinks', targets: [target('a', bad)], fallbacks: { default: ['bad'] } },
      {
        name: 'mid-stream',
        targets: [target('a', 'lorem?tokens=9&fail=reset&at=4'), target('b', good, { order: 2 })],
      },
      { name: 'unknown', targets: [target('a', 'lorem?fail=reset'), target('b', good, { order: 2 })] },
      {
        name: 'refused',
        targets: [target('a', 'lorem?fail=400'), target('b', good, { order: 2 })],
        fallbacks: { default: ['good'] },
      },
    ],
  },
})

beforeEach(async () => {
  await gateway().simulator.idle()
  gateway().simulator.reset()
})

function ask(model: string, fields: JsonObject = {}, headers: Record<string, string> = {}) {
  const body = { model, messages: [{ role: 'user', content: 'Hello' }], ...fields }
  return callApi(`${gateway().url}/v1/chat/completions`, { body, headers })
}

const called = () =>
  gateway()
    .simulator.journal()
    .entries.map(({ model }) => model)

const headersOf = ({ headers }: { headers: Headers }) =>
  Object.fromEntries(
    ['provider', 'model', 'attempts', 'fallback'].map((name) => [name, headers.get(`x-millrace-${name}`)]),
  )

test.each([{}, { stream: true }])('the next tier answers in place of one that fails, %o', async (fields) => {
  const answer = await ask('ordered', fields)

  expect(answer.status).toBe(200)
  expect(answer.text).not.toContain('error')
  expect(headersOf(answer)).toEqual({ provider: 'b', model: good, attempts: '3', fallback: null })
  expect(called()).toEqual([bad, bad, good])
})

test('nobody sees that a target fails all the time when another does not', async () => {
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => ask('ordered', index % 2 === 0 ? {} : { stream: true })),
  )
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  for (const { text } of answers) expect(text).not.toContain('"error"')
  const { models } = gateway().simulator.journal().totals
  expect(models).toMatchObject({ [bad]: { calls: 80 }, [good]: { calls: 40 } })
})

test('a run finds its way over four providers and tiers, and its job tells of every call', async () => {
  const { json, headers, status } = await ask('long')
  expect(status).toBe(200)
  expect(headers.get('x-millrace-attempts')).toBe('7')

  const job = await callApi(`${gateway().url}/v1/jobs/${json.id}`)
  expect(
    (job.json.attempts as JsonObject[]).map(({ provider, model, outcome }) => [provider, model, outcome]),
  ).toEqual([
    ['dead', 'x', 'upstream_unreachable'],
    ['dead', 'x', 'upstream_unreachable'],
    ['a', bad, 'upstream_error'],
    ['a', bad, 'upstream_error'],
    ['a', 'lorem?fail=503', 'upstream_error'],
    ['a', 'lorem?fail=503', 'upstream_error'],
    ['b', good, 'ok'],
  ])
})

test.each(['here', 'there-and-back'])('another target of the same provider is called, %s', async (model) => {
  const startedAt = performance.now()
  expect(await ask(model)).toMatchObject({ status: 200 })
  // What the sweeper brings takes ten seconds.
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  expect(called().at(-1)).toBe(good)
})

test.each([{}, { stream: true }])('a fallback answers when all targets have failed, %o', async (fields) => {
  const answer = await ask('falls', fields)

  expect(answer.status).toBe(200)
  expect(headersOf(answer)).toEqual({ provider: 'c', model: good, attempts: '5', fallback: 'good' })
  expect(called()).toEqual([bad, bad, 'lorem?fail=503', 'lorem?fail=503', good])
})

test('when all fail, the first error is told with all that was tried', async () => {
  const { status, json, headers } = await ask('sinks')

  expect([status, headers.get('x-millrace-fallback')]).toEqual([500, null])
  expect(json.error.message).toMatch(
    /\(tried: a\/lorem\?fail=500 \(upstream_error\), b\/lorem\?fail=503 \(upstream_error\)\)$/,
  )
})

test('a request names its own fallbacks, which the provider never sees, or wants none', async () => {
  const inBody = await ask('sinks', { fallbacks: ['good'] })
  expect(headersOf(inBody)).toMatchObject({ provider: 'c', fallback: 'good' })
  const inHeader = await ask('sinks', {}, { 'x-millrace-fallbacks': 'bad, good' })
  expect(headersOf(inHeader)).toMatchObject({ provider: 'c', fallback: 'good' })
  gateway().simulator.reset()

  const none = await ask('falls', {}, { 'x-millrace-no-fallbacks': 'true' })
  expect(none.status).toBe(500)
  expect(none.json.error.message).not.toContain('tried')
  expect(called()).toEqual([bad, bad])
})

test('after the first frame no other provider is called', async () => {
  const { text } = await ask('mid-stream', { stream: true })
  expect(text).toContain('upstream_incomplete')
  expect(called()).toHaveLength(1)
})

test('a call of which nobody knows what came of it is not made again, anywhere', async () => {
  const { status, json } = await ask('unknown')
  expect([status, json.error.code]).toEqual([502, 'upstream_outcome_unknown'])
  expect(called()).toHaveLength(1)
})

test('what the client did wrong is told to it, and no fallback is asked', async () => {
  expect(await ask('refused')).toMatchObject({ status: 400 })
  expect(called()).toHaveLength(1)
})

test.each([
  [{ fallbacks: 'good' }, {}, 'fallbacks'],
  [{ fallbacks: [1] }, {}, 'fallbacks'],
  [{ fallbacks: ['good', 'good', 'good', 'good', 'good', 'good'] }, {}, 'fallbacks'],
  [{}, { 'x-millrace-fallbacks': 'good,' }, 'x-millrace-fallbacks'],
  [{}, { 'x-millrace-no-fallbacks': 'yes' }, 'x-millrace-no-fallbacks'],
  [{}, { 'x-millrace-deadline-ms': '1s' }, 'x-millrace-deadline-ms'],
  [{}, { 'x-millrace-deadline-ms': '0' }, 'x-millrace-deadline-ms'],
])('a wish that cannot be read is refused: %o %o', async (fields, headers, param) => {
  const { status, json } = await ask('good', fields, headers)
  expect(status).toBe(400)
  expect(json.error).toMatchObject({ code: 'invalid_request', param })
})

test('a fallback that does not exist is a 404 for that field', async () => {
  const { status, json } = await ask('good', { fallbacks: ['gud'] })
  expect(status).toBe(404)
  expect(json.error).toMatchObject({ code: 'model_not_found', param: 'fallbacks' })
})

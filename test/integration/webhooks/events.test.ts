import { Redis } from 'ioredis'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../../support/gateway.ts'
import { callApi } from '../../support/http.ts'
import { startReceiver, type WebhookReceiver } from '../../support/webhook-receiver.ts'
import { isSigned, toWebhookSection } from '../../support/webhooks.ts'

let there: WebhookReceiver
beforeAll(async () => {
  there = await startReceiver()
})
afterAll(() => there.close())

const gateway = useGateway(() => ({ config: { webhooks: toWebhookSection([there]) } }))

function client(): OpenAI {
  return new OpenAI({ apiKey: 'none', baseURL: `${gateway().url}/v1`, maxRetries: 0 })
}

beforeEach(async () => {
  there.received.length = 0
  there.react = () => ({ status: 200 })
  for await (const { id } of client().webhooks.list()) await client().webhooks.delete(id)
})

async function subscribe(): Promise<{ id: string; secret: string }> {
  const { webhooks } = client()
  const { data } = await webhooks.eventTypes.list()
  const types = data as OpenAI.Webhooks.WebhookCreateParams['event_types']
  const { id, signing_secret: secret } = await webhooks.create({
    name: 'all',
    url: there.url,
    event_types: types,
  })
  return { id, secret }
}

const short = 'upstream/lorem?tokens=3'
const slow = 'upstream/lorem?tokens=200&gap_ms=20'

function told(): string[] {
  return there.received.map(({ type }) => type).toSorted()
}

describe('the end of a response in the background is told', () => {
  test('when it has completed, and the event leads to it', async () => {
    const { secret } = await subscribe()
    const { id } = await client().responses.create({ model: short, input: 'Hello', background: true })
    await there.gets(2)
    expect(told()).toEqual(['job.completed', 'response.completed'])
    const event = there.received.find(({ type }) => type === 'response.completed')
    if (event === undefined) throw new Error('The event did not come.')
    const unwrapped = await client().webhooks.unwrap(event.body, event.headers, secret)
    if (unwrapped.type !== 'response.completed') throw new Error('It is another event.')
    expect(unwrapped).toEqual({
      id: event.headers['webhook-id'],
      object: 'event',
      created_at: expect.any(Number),
      type: 'response.completed',
      data: { id },
    })
    expect(isSigned(event, secret)).toBe(true)
    expect(await client().responses.retrieve(unwrapped.data.id)).toMatchObject({ status: 'completed' })
  })

  test('when it stopped early', async () => {
    await subscribe()
    const model = 'upstream/lorem?tokens=100'
    await client().responses.create({ model, input: 'Hello', background: true, max_output_tokens: 16 })
    await there.gets(2)
    expect(told()).toEqual(['job.completed', 'response.incomplete'])
  })

  test('when it failed', async () => {
    await subscribe()
    await client().responses.create({ model: 'upstream/lorem?fail=400', input: 'Hello', background: true })
    await there.gets(2)
    expect(told()).toEqual(['job.failed', 'response.failed'])
  })

  test('when it was cancelled while it ran', async () => {
    await subscribe()
    const { id } = await client().responses.create({ model: slow, input: 'Hello', background: true })
    await eventually('it runs', async () => (await client().responses.retrieve(id)).status === 'in_progress')
    await client().responses.cancel(id)
    await there.gets(2)
    expect(told()).toEqual(['job.cancelled', 'response.cancelled'])
  })

  test('when it was cancelled before any worker took it', async () => {
    await subscribe()
    await gateway().workers[0]?.stop()
    const { id } = await client().responses.create({ model: short, input: 'Hello', background: true })
    await client().responses.cancel(id)
    await gateway().workers[0]?.restart()
    await there.gets(2, 20_000)
    expect(told()).toEqual(['job.cancelled', 'response.cancelled'])
  }, 30_000)
})

test('a job of any dialect is told, and what somebody waits for is not', async () => {
  await subscribe()
  const body = { model: short, messages: [{ role: 'user', content: 'Hello' }] }
  const url = `${gateway().url}/v1/chat/completions`
  await callApi(url, { body })
  await client().responses.create({ model: short, input: 'Hello' })
  const job = await callApi(url, { body, headers: { prefer: 'respond-async' } })
  await there.gets(1)
  expect(there.received.map((event) => JSON.parse(event.body) as unknown)).toMatchObject([
    { type: 'job.completed', data: { id: job.json.id } },
  ])
})

test('deliveries are listed, told apart and begun again', async () => {
  const { id, secret } = await subscribe()
  there.react = ({ type }) => ({ status: type === 'job.completed' ? 500 : 200 })
  await client().responses.create({ model: short, input: 'Hello', background: true })
  const list = async (query = '') =>
    (await callApi(`${gateway().url}/v1/webhook_endpoints/${id}/deliveries${query}`)).json
  await eventually('the schedule is at its end', async () => (await list('?status=failed')).data.length === 1)
  const [failed] = (await list('?status=failed')).data
  expect(failed).toEqual({
    id: expect.stringMatching(/^whd_[0-9a-f]{32}$/),
    object: 'webhook_endpoint.delivery',
    webhook_endpoint_id: id,
    event_id: expect.stringMatching(/^evt_/),
    event_type: 'job.completed',
    status: 'failed',
    attempts: 4,
    created_at: expect.any(Number),
    next_attempt_at: null,
    last_attempt: {
      at: expect.any(Number),
      duration_ms: expect.any(Number),
      status_code: 500,
      error: 'It answered 500, which is not 2xx.',
    },
  })
  const first = await list('?limit=1')
  expect(first).toMatchObject({ has_more: true, first_id: first.last_id })
  const second = await list(`?limit=1&after=${first.last_id}`)
  expect(second).toMatchObject({ has_more: false })
  expect(new Set([first.last_id, second.last_id]).size).toBe(2)

  const before = there.received.length
  there.react = () => ({ status: 200 })
  const again = await callApi(
    `${gateway().url}/v1/webhook_endpoints/${id}/deliveries/${failed.id}/redeliver`,
    { method: 'POST' },
  )
  expect(again.json).toMatchObject({ id: failed.id, status: 'pending', attempts: 0 })
  await there.gets(before + 1)
  const last = there.received.at(-1)
  expect(last).toMatchObject({ id: failed.event_id, type: 'job.completed' })
  expect(last !== undefined && isSigned(last, secret)).toBe(true)
  await eventually('it has arrived', async () => (await list('?status=succeeded')).data.length === 2)
})

test('an endpoint that was disabled gets nothing until it is enabled again', async () => {
  const { id } = await subscribe()
  const url = `${gateway().url}/v1/webhook_endpoints/${id}`
  const disabled = await callApi(url, { body: { status: 'disabled' } })
  expect(disabled.json).toMatchObject({ status: 'disabled', disabled_reason: 'requested' })
  const missed = await client().responses.create({ model: short, input: 'Hello', background: true })
  await eventually('it has ended', () => hasEnded(missed.id))
  await eventually('it is archived', async () => (await redisCount('mr:outbox')) === 0)
  expect((await callApi(`${url}/deliveries`)).json).toMatchObject({ data: [] })
  const enabled = await callApi(url, { body: { status: 'enabled' } })
  expect(enabled.json).toMatchObject({ status: 'enabled', disabled_at: null, disabled_reason: null })
  await client().responses.create({ model: short, input: 'Hello', background: true })
  await there.gets(2)
  expect(told()).toEqual(['job.completed', 'response.completed'])
})

test('the bare routes answer OpenAI’s other base URLs too', async () => {
  const { data } = (await callApi(`${gateway().url}/openai/v1/webhook_event_types`)).json
  expect(data).toContain('batch.completed')
})

async function hasEnded(id: string): Promise<boolean> {
  return (await client().responses.retrieve(id)).status === 'completed'
}

async function redisCount(key: string): Promise<number> {
  const redis = new Redis(gateway().redis.url)
  const count = await redis.zcard(key)
  redis.disconnect()
  return count
}

test('the end of a batch is told, and that of its lines is not', async () => {
  await subscribe()
  const line = {
    custom_id: 'a',
    method: 'POST',
    url: '/v1/responses',
    body: { model: short, input: 'Hello', background: true },
  }
  const file = await toFile(Buffer.from(JSON.stringify(line)), 'input.jsonl')
  const { id } = await client().files.create({ file, purpose: 'batch' })
  const batch = await client().batches.create({
    input_file_id: id,
    endpoint: '/v1/responses',
    completion_window: '24h',
  })
  await there.gets(1)
  expect(there.received[0]).toMatchObject({ type: 'batch.completed' })
  expect(there.received[0]?.body).toContain(batch.id)
  await eventually(
    'it has ended',
    async () => (await client().batches.retrieve(batch.id)).status === 'completed',
  )
  expect(told()).toEqual(['batch.completed'])
})

import Anthropic from '@anthropic-ai/sdk'
import { describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../../support/gateway.ts'
import { callApi } from '../../support/http.ts'

const gateway = useGateway({
  config: {
    batches: { max_lines: 300, in_flight: 32, expire_after_ms: 6_000, max_bytes: 2_000_000 },
    keys: [
      { key: 'sk-first', tenant: 'first' },
      { key: 'sk-second', tenant: 'second' },
    ],
    models: [{ name: 'house', targets: [{ provider: 'upstream', model: 'lorem?tokens=5' }] }],
  },
})
const clientOf = (path = '', apiKey = 'sk-first') =>
  new Anthropic({ apiKey, baseURL: gateway().url + path, maxRetries: 0 })

type Request = Anthropic.Messages.BatchCreateParams.Request
const request = (index: number, model = 'house'): Request => ({
  custom_id: `line-${index}`,
  params: { model, max_tokens: 500, messages: [{ role: 'user', content: `Prompt ${index} \n "[{` }] },
})
const slow = 'upstream/lorem?tokens=200&gap_ms=100'

async function ended(id: string, client = clientOf()) {
  let batch: Anthropic.Messages.MessageBatch | undefined
  await eventually(`batch ${id} to end`, async () => {
    batch = await client.messages.batches.retrieve(id)
    return batch.processing_status === 'ended'
  })
  return batch!
}

async function resultsOf(id: string, client = clientOf()) {
  const results: Anthropic.Messages.MessageBatchIndividualResponse[] = []
  for await (const result of await client.messages.batches.results(id)) results.push(result)
  return results
}

describe.each(['', '/anthropic'])("Anthropic's client below '%s'", (path) => {
  test('hands in a batch and iterates over its results', async () => {
    const client = clientOf(path)
    const requests = [...Array.from({ length: 60 }, (_, index) => request(index)), request(60, 'nobody')]
    const created = await client.messages.batches.create({ requests })
    expect(created).toMatchObject({
      id: expect.stringMatching(/^msgbatch_[0-9a-f]{32}$/),
      type: 'message_batch',
      processing_status: 'in_progress',
      request_counts: { processing: 61, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
      results_url: null,
      ended_at: null,
      archived_at: null,
      cancel_initiated_at: null,
    })
    const batch = await ended(created.id, client)
    expect(batch.request_counts).toEqual({
      processing: 0,
      succeeded: 60,
      errored: 1,
      canceled: 0,
      expired: 0,
    })
    expect(Date.parse(batch.ended_at!)).toBeGreaterThanOrEqual(Date.parse(batch.created_at))
    const results = await resultsOf(batch.id, client)
    expect(results.map(({ custom_id }) => custom_id).toSorted()).toEqual(
      requests.map(({ custom_id }) => custom_id).toSorted(),
    )
    const byId = new Map(results.map(({ custom_id, result }) => [custom_id, result]))
    expect(byId.get('line-7')).toMatchObject({
      type: 'succeeded',
      message: { type: 'message', role: 'assistant', model: 'house', stop_reason: 'end_turn' },
    })
    expect(byId.get('line-60')).toMatchObject({
      type: 'errored',
      error: {
        type: 'error',
        error: { type: 'not_found_error' },
        request_id: expect.stringMatching(/^req_/),
      },
    })
  })
})

test('cancels a batch, and deletes it when it has ended', async () => {
  await gateway().simulator.idle()
  gateway().simulator.reset()
  const client = clientOf()
  const requests = Array.from({ length: 100 }, (_, index) => request(index, index < 4 ? 'house' : slow))
  const { id } = await client.messages.batches.create({ requests })
  await expect(client.messages.batches.delete(id)).rejects.toThrow(Anthropic.ConflictError)
  await expect(client.messages.batches.results(id)).rejects.toThrow(/results_url/)
  await eventually('four answers', () => gateway().simulator.journal().totals.closedBy.finished >= 4)
  const cancelling = await client.messages.batches.cancel(id)
  expect(cancelling.processing_status).toBe('canceling')
  const batch = await ended(id)
  expect(batch.request_counts).toMatchObject({ succeeded: 4, canceled: 96 })
  expect(Date.parse(batch.cancel_initiated_at!)).toBeLessThanOrEqual(Date.parse(batch.ended_at!))
  const results = await resultsOf(id)
  expect(results.filter(({ result }) => result.type === 'canceled')).toHaveLength(96)
  expect(await client.messages.batches.delete(id)).toEqual({ id, type: 'message_batch_deleted' })
  await expect(client.messages.batches.retrieve(id)).rejects.toThrow(Anthropic.NotFoundError)
})

test('has a batch expire that takes too long', async () => {
  const client = clientOf()
  const requests = Array.from({ length: 50 }, (_, index) => request(index, index < 4 ? 'house' : slow))
  const { id } = await client.messages.batches.create({ requests })
  const batch = await ended(id)
  expect(batch.request_counts).toMatchObject({ succeeded: 4, expired: 46 })
  expect((await resultsOf(id)).filter(({ result }) => result.type === 'expired')).toHaveLength(46)
})

test('lists its batches in pages, in both directions', async () => {
  const client = clientOf()
  const ids: string[] = []
  for (let index = 0; index < 5; index += 1) {
    ids.push((await client.messages.batches.create({ requests: [request(index)] })).id)
  }
  const newest = ids.toReversed()
  const found: string[] = []
  for await (const { id } of client.messages.batches.list({ limit: 2 })) found.push(id)
  expect(found.slice(0, 5)).toEqual(newest)
  const page = await client.messages.batches.list({ limit: 2, before_id: newest[3]! })
  expect(page.data.map(({ id }) => id)).toEqual([newest[1], newest[2]])
  expect(page.has_more).toBe(true)
  expect((await clientOf('', 'sk-second').messages.batches.list()).data).toEqual([])
  await expect(clientOf('', 'sk-second').messages.batches.retrieve(ids[0]!)).rejects.toThrow(
    Anthropic.NotFoundError,
  )
  for (const id of ids) await ended(id)
})

describe('a body that is refused', () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${gateway().url}/v1/messages/batches`, {
      method: 'POST',
      body,
      headers: { 'x-api-key': 'sk-first', 'content-type': 'application/json', ...headers },
    }).then(async (response) => ({
      status: response.status,
      json: (await response.json()) as { error: object },
    }))
  const good = JSON.stringify(request(1))

  test.each([
    ['is no JSON', '{"requests":[', 400, 'invalid_request_error'],
    ['is a list', `[${good}]`, 400, 'invalid_request_error'],
    ['has no requests', '{"other":[1,2,{"requests":[]}]}', 400, 'invalid_request_error'],
    ['has requests that are none', '{"requests":{}}', 400, 'invalid_request_error'],
    ['has an empty list', '{"requests":[]}', 400, 'invalid_request_error'],
    ['has a text for a request', '{"requests":["x"]}', 400, 'invalid_request_error'],
    ['has two commas', `{"requests":[${good},,${good}]}`, 400, 'invalid_request_error'],
    ['has a comma too many', `{"requests":[${good},]}`, 400, 'invalid_request_error'],
    ['has something behind its end', `{"requests":[${good}]} x`, 400, 'invalid_request_error'],
    ['has a broken request', '{"requests":[{"custom_id":x}]}', 400, 'invalid_request_error'],
    ['has a name twice', `{"requests":[${good},${good}]}`, 400, 'invalid_request_error'],
    [
      'has an odd name',
      good.replace('line-1', 'a b').replace(/.*/s, '{"requests":[$&]}'),
      400,
      'invalid_request_error',
    ],
    ['has no params', '{"requests":[{"custom_id":"a"}]}', 400, 'invalid_request_error'],
    ['streams', '{"requests":[{"custom_id":"a","params":{"stream":true}}]}', 400, 'invalid_request_error'],
    [
      'has too many',
      JSON.stringify({ requests: Array.from({ length: 301 }, (_, index) => request(index)) }),
      400,
      'invalid_request_error',
    ],
    ['is too large', JSON.stringify({ requests: [], x: 'x'.repeat(2_100_000) }), 413, 'request_too_large'],
  ])('%s', async (_what, body, status, type) => {
    const answer = await post(body)
    expect([answer.status, answer.json]).toMatchObject([status, { type: 'error', error: { type } }])
  })

  test('is of another type, or packed', async () => {
    expect((await post('{}', { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await post('{}', { 'content-encoding': 'gzip' })).status).toBe(415)
  })
})

test('a request may be written in any way that JSON can be', async () => {
  const body = ` {"x":{"requests":[1]},"y":"\\"requests\\"",\n"requests" : [\r\n ${JSON.stringify(request(1), null, 2)} ,\n\n${JSON.stringify(request(2))}\n] , "z":[[]] } `
  const answer = await fetch(`${gateway().url}/v1/messages/batches`, {
    method: 'POST',
    body,
    headers: { 'x-api-key': 'sk-first', 'content-type': 'application/json' },
  })
  const { id } = (await answer.json()) as { id: string }
  expect((await ended(id)).request_counts.succeeded).toBe(2)
})

test.each(['limit=0', 'limit=1001', 'after_id=x', 'before_id=x'])(
  'a list with %s is refused',
  async (query) => {
    const answer = await callApi(`${gateway().url}/v1/messages/batches?${query}`, {
      headers: { 'x-api-key': 'sk-first' },
    })
    expect([answer.status, answer.json.error.type]).toEqual([400, 'invalid_request_error'])
  },
)

import type OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { chatLine, useBatchGateway } from '../support/batches.ts'
import { eventually } from '../support/gateway.ts'
import { callApi } from '../support/http.ts'

type Endpoint = OpenAI.BatchCreateParams['endpoint']

const { gateway, client, create, ended, readLines } = useBatchGateway()

describe('the openai package', () => {
  test('hands in a batch, waits for it, and gets every answer by its custom id', async () => {
    gateway().simulator.reset()
    const created = await create(
      Array.from({ length: 150 }, (_, index) => chatLine(index)),
      { metadata: { job: 'nightly' } },
    )
    expect(created).toMatchObject({
      id: expect.stringMatching(/^batch_[0-9a-f]{32}$/),
      object: 'batch',
      status: 'validating',
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
      metadata: { job: 'nightly' },
      request_counts: { total: 0, completed: 0, failed: 0 },
    })
    expect(created.expires_at! - created.created_at).toBe(86_400)
    const batch = await ended(created.id)
    expect(batch).toMatchObject({
      status: 'completed',
      request_counts: { total: 150, completed: 150, failed: 0 },
      usage: { output_tokens: 750 },
      errors: null,
      error_file_id: null,
    })
    for (const time of [batch.in_progress_at, batch.finalizing_at, batch.completed_at]) {
      expect(time).toBeGreaterThanOrEqual(created.created_at)
    }
    const lines = await readLines(batch.output_file_id)
    expect(lines).toHaveLength(150)
    expect(new Set(lines.map((line) => String(line.custom_id)))).toEqual(
      new Set(Array.from({ length: 150 }, (_, index) => `line-${index}`)),
    )
    expect(lines[0]).toMatchObject({
      id: expect.stringMatching(/^batch_req_[0-9a-f]{32}$/),
      response: {
        status_code: 200,
        request_id: expect.stringMatching(/^req_[0-9a-f]{32}$/),
        body: { object: 'chat.completion', model: 'house', choices: [{ finish_reason: 'stop' }] },
      },
      error: null,
    })
    const { totals, prompts } = gateway().simulator.journal()
    expect([totals.calls, prompts.distinct]).toEqual([150, 150])
    const headers = { authorization: 'Bearer sk-first' }
    const run = await callApi(`${gateway().url}/v1/jobs/${lines[0]!.response.body.id}`, { headers })
    expect(run.json).toMatchObject({ status: 'completed', response: { body: lines[0]!.response.body } })
    expect((await callApi(`${gateway().url}/v1/jobs`, { headers })).json.data).toEqual([])
    const file = await client().files.retrieve(batch.output_file_id!)
    expect(file).toMatchObject({ purpose: 'batch_output', filename: `${batch.id}_output.jsonl` })
  })

  test('gets what failed in a file of its own, with the status that the call would have got', async () => {
    const { id } = await create([
      chatLine(1),
      chatLine(2, 'nobody'),
      chatLine(3, 'upstream/lorem?fail=400'),
      { ...chatLine(4), body: { model: 'house', messages: 'none' } },
    ])
    const batch = await ended(id)
    expect(batch).toMatchObject({
      status: 'completed',
      request_counts: { total: 4, completed: 1, failed: 3 },
    })
    expect((await readLines(batch.output_file_id)).map((line) => line.custom_id)).toEqual(['line-1'])
    const failed = await readLines(batch.error_file_id)
    const seen = failed.map(({ custom_id, response, error }) => [
      custom_id,
      response.status_code,
      response.body.error.type,
      error,
    ])
    expect(new Set(seen)).toEqual(
      new Set([
        ['line-2', 404, 'invalid_request_error', null],
        ['line-3', 400, 'invalid_request_error', null],
        ['line-4', 400, 'invalid_request_error', null],
      ]),
    )
  })

  test('has a line tried again later that its provider refuses with 429', async () => {
    const { id } = await create([chatLine(1, 'upstream/lorem?tokens=3&fail=429&times=4')])
    expect(await ended(id)).toMatchObject({ status: 'completed', request_counts: { completed: 1 } })
  })

  test.each([
    ['/v1/responses', { model: 'house', input: 'Hi' }, { object: 'response', status: 'completed' }],
    ['/v1/embeddings', { model: 'upstream/lorem', input: 'Hi' }, { object: 'list' }],
    [
      '/v1/messages',
      { model: 'house', max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] },
      { type: 'message' },
    ],
    [
      '/v1/generate',
      { model: 'house', messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }] },
      {},
    ],
  ])('has batches for %s', async (url, body, answer) => {
    const { id } = await create([{ custom_id: 'a', method: 'POST', url, body }], {
      endpoint: url as Endpoint,
    })
    const batch = await ended(id)
    expect([await readLines(batch.error_file_id), batch.status]).toEqual([[], 'completed'])
    expect(await readLines(batch.output_file_id)).toMatchObject([
      { custom_id: 'a', response: { status_code: 200, body: answer } },
    ])
  })

  test('keeps to the limits and the models of the key that created the batch', async () => {
    await gateway().simulator.idle()
    gateway().simulator.reset()
    const model = 'upstream/lorem?tokens=3&gap_ms=20'
    const lines = Array.from({ length: 30 }, (_, index) => chatLine(index, index === 7 ? 'sim/lorem' : model))
    const { id } = await create(lines, {}, 'sk-limited')
    const batch = await ended(id, 'sk-limited')
    expect(batch).toMatchObject({ status: 'completed', request_counts: { completed: 29, failed: 1 } })
    const [refused] = await readLines(batch.error_file_id, 'sk-limited')
    expect(refused).toMatchObject({ custom_id: 'line-7', response: { status_code: 403 } })
    expect(gateway().simulator.journal().totals.maxInFlight).toBeLessThanOrEqual(4)
  })

  test('lists its batches, newest first', async () => {
    const ids: string[] = []
    for (let index = 0; index < 3; index += 1) ids.push((await create([chatLine(index)])).id)
    const found: string[] = []
    for await (const { id } of client().batches.list({ limit: 2 })) found.push(id)
    expect(found.slice(0, 3)).toEqual(ids.toReversed())
    expect(new Set(found).size).toBe(found.length)
    expect((await client('sk-second').batches.list()).data).toEqual([])
    for (const id of ids) await ended(id)
  })

  test('cancels a batch: what is answered is kept, what runs is stopped, the rest never begins', async () => {
    gateway().simulator.reset()
    const slow = 'upstream/lorem?tokens=200&gap_ms=100'
    const lines = Array.from({ length: 300 }, (_, index) => chatLine(index, index < 5 ? 'house' : slow))
    const { id } = await create(lines)
    await eventually('the first answers', async () => {
      const { request_counts } = await client().batches.retrieve(id)
      return request_counts!.completed >= 5
    })
    expect(await client().batches.cancel(id)).toMatchObject({ id, status: 'cancelling' })
    const batch = await ended(id)
    expect(batch).toMatchObject({
      status: 'cancelled',
      request_counts: { total: 300, completed: 5, failed: 295 },
    })
    expect(batch.cancelled_at).toBeGreaterThanOrEqual(batch.cancelling_at!)
    expect(await readLines(batch.output_file_id)).toHaveLength(5)
    const failed = await readLines(batch.error_file_id)
    expect(failed.every(({ response, error }) => response === null && error.code === 'batch_cancelled')).toBe(
      true,
    )
    expect(new Set(failed.map((line) => line.custom_id)).size).toBe(295)
    await gateway().simulator.idle()
    expect(gateway().simulator.journal().totals.calls).toBeLessThanOrEqual(5 + 64 + 64)
    expect(await client().batches.cancel(id)).toMatchObject({ status: 'cancelled' })
  })

  test('has a batch expire that takes too long', async () => {
    const slow = 'upstream/lorem?tokens=200&gap_ms=100'
    const lines = Array.from({ length: 100 }, (_, index) => chatLine(index, index < 3 ? 'house' : slow))
    const { id } = await create(lines, { completion_window: '3s' })
    const batch = await ended(id)
    expect(batch).toMatchObject({
      status: 'expired',
      request_counts: { total: 100, completed: 3, failed: 97 },
    })
    expect(batch.expired_at).toBeGreaterThanOrEqual(batch.expires_at!)
    const failed = await readLines(batch.error_file_id)
    expect(failed.map(({ error }) => error.code)).toEqual(Array.from({ length: 97 }, () => 'batch_expired'))
  })
})

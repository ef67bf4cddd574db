import { beforeEach, describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi, type JsonObject } from '../support/http.ts'

const first = { authorization: 'Bearer sk-first' }
const other = { authorization: 'Bearer sk-other' }
const gateway = useGateway({
  apis: 2,
  config: {
    keys: [
      { key: 'sk-first', tenant: 'first' },
      { key: 'sk-other', tenant: 'other' },
    ],
    server: { sync_wait_ms: 500 },
    providers: { narrow: { concurrency: 1 } },
  },
})
beforeEach(async () => {
  await gateway().simulator.idle()
  gateway().simulator.reset()
})

const chats = '/v1/chat/completions'
const messages = [{ role: 'user', content: 'Hello' }]
const short = 'upstream/lorem?tokens=3'
/** Takes 400 ms. */
const slow = 'upstream/lorem?tokens=20&gap_ms=20'

function ask(path: string, headers: Record<string, string> = {}, api = 0) {
  return callApi(`${gateway().apis[api]?.url}${path}`, { headers: { ...first, ...headers } })
}

function post(fields: JsonObject = {}, headers: Record<string, string> = {}, api = 0) {
  return callApi(`${gateway().apis[api]?.url}${chats}`, {
    body: { model: short, messages, ...fields },
    headers: { ...first, ...headers },
  })
}

const later = { prefer: 'respond-async' }

describe('a job', () => {
  test('is accepted at once, waited for, and read as result and as events', async () => {
    const accepted = await post({ model: slow, metadata: { a: 'b' } }, later)
    const { id } = accepted.json
    expect(accepted.status).toBe(202)
    expect(Object.fromEntries(accepted.headers)).toMatchObject({
      'preference-applied': 'respond-async',
      location: `/v1/jobs/${id}`,
      'retry-after': '1',
    })
    expect(accepted.json).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-/),
      object: 'job',
      status: expect.stringMatching(/queued|in_progress/),
      endpoint: chats,
      model: slow,
      completed_at: null,
      metadata: { a: 'b' },
      request_id: accepted.headers.get('x-request-id'),
      response: null,
      error: null,
    })

    const unfinished = await ask(`${chats}/${id}`)
    expect(unfinished).toMatchObject({
      status: 202,
      json: {
        id,
        object: 'chat.completion',
        status: expect.stringMatching(/queued|in_progress/),
        choices: [],
      },
    })
    expect(unfinished.headers.get('retry-after')).toBe('1')
    const early = await ask(`/v1/jobs/${id}/result`)
    expect(early).toMatchObject({ status: 409, json: { error: { code: 'not_ended' } } })

    const done = await ask(`/v1/jobs/${id}`, { prefer: 'wait=10' }, 1)
    expect(done.headers.get('retry-after')).toBeNull()
    expect(done.json).toMatchObject({ id, status: 'completed', error: null, response: { status_code: 200 } })
    expect(done.json.completed_at).toBeGreaterThanOrEqual(done.json.created_at)
    const result = await ask(`/v1/jobs/${id}/result`)
    expect(result.json).toEqual(done.json.response.body)
    expect((await ask(`${chats}/${id}`)).text).toBe(result.text)
    const events = await ask(`/v1/jobs/${id}/events`)
    expect(events.text).toMatch(/^id: [^]*"finish_reason":"stop"[^]*data: \[DONE]\n\n$/)
    expect((await ask(`/v1/jobs/${id}/events?starting_after=0`)).text).toBe(
      events.text.slice(events.text.indexOf('\n\n') + 2),
    )
  })

  test('that ends while it is waited for answers with its result', async () => {
    const answer = await post({}, { prefer: 'respond-async, wait=10' })
    expect(answer).toMatchObject({
      status: 202,
      json: { status: 'completed', response: { status_code: 200 } },
    })
  })

  test('goes on when the one who waits for it leaves', async () => {
    const leaving = new AbortController()
    const waiting = fetch(`${gateway().url}${chats}`, {
      method: 'POST',
      body: JSON.stringify({ model: slow, messages }),
      headers: { ...first, 'content-type': 'application/json', prefer: 'respond-async, wait=10' },
      signal: leaving.signal,
    })
    await eventually('the provider is called', () => gateway().simulator.journal().totals.calls === 1)
    leaving.abort()
    await expect(waiting).rejects.toThrow()
    await gateway().simulator.idle()
    expect(gateway().simulator.journal().totals.closedBy).toMatchObject({ finished: 1, client: 0 })
  })

  test('that fails tells the error, and its result is what the call would have got', async () => {
    const model = 'upstream/lorem?fail=400'
    const { json } = await post({ model }, { prefer: 'respond-async, wait=10' })
    expect(json).toMatchObject({ status: 'failed', error: { message: expect.any(String) }, response: null })
    const direct = await post({ model })
    const result = await ask(`/v1/jobs/${json.id}/result`)
    expect(result).toMatchObject({ status: direct.status, text: direct.text })
  })

  test('is listed, newest first, page by page and by status', async () => {
    const ids: string[] = []
    for (let count = 0; count < 3; count += 1) ids.unshift((await post()).json.id as string)
    const page = await ask('/v1/jobs?limit=2')
    expect(page.json).toMatchObject({ object: 'list', has_more: true, first_id: ids[0], last_id: ids[1] })
    expect(page.json.data.map(({ id }: JsonObject) => id)).toEqual(ids.slice(0, 2))
    const next = await ask(`/v1/jobs?limit=1&after=${page.json.last_id}`)
    expect(next.json.data[0].id).toBe(ids[2])
    expect((await ask('/v1/jobs?status=queued')).json.data).toEqual([])
    const oldest = await ask('/v1/jobs?order=asc&limit=100&status=completed')
    expect(oldest.json.data.map(({ id }: JsonObject) => id).slice(-3)).toEqual(ids.toReversed())
  })

  test('that waits tells its place and when it should start', async () => {
    const model = 'narrow/lorem?tokens=60&gap_ms=20'
    const running = await post({ model }, later)
    const waiting = [await post({ model }, later), await post({ model }, later)]
    const path = `/v1/jobs/${waiting[1]?.json.id}`
    await eventually('the pace is known', async () => 'estimated_start_at' in (await ask(path)).json)
    const { json } = await ask(path)
    expect(json).toMatchObject({ status: 'queued', queue_position: 1, expires_at: null })
    expect(json.estimated_start_at).toBeGreaterThan(json.created_at)
    const ids = [running, ...waiting].map((job) => job.json.id as string)
    await callApi(`${gateway().url}/v1/jobs/cancel`, { method: 'POST', body: { ids }, headers: first })
  })

  test('tells when it expires until it has ended', async () => {
    const { json } = await post({ model: slow }, { ...later, 'x-millrace-deadline-ms': '60000' })
    expect(json.expires_at - json.created_at).toBe(60)
    const done = await ask(`/v1/jobs/${json.id}`, { prefer: 'wait=10' })
    expect(done.json).toMatchObject({ status: 'completed', expires_at: null })
  })

  test('can be cancelled and deleted', async () => {
    const { json } = await post({ model: 'upstream/lorem?tokens=100&gap_ms=20' }, later)
    await eventually('the provider is called', () => gateway().simulator.journal().totals.calls === 1)
    const path = `${gateway().url}/v1/jobs/${json.id}`
    for (let count = 0; count < 2; count += 1) {
      const cancelled = await callApi(`${path}/cancel`, { method: 'POST', headers: first })
      expect(cancelled).toMatchObject({
        status: 200,
        json: { status: 'cancelled', error: { code: 'cancelled' } },
      })
    }
    const deleted = await callApi(path, { method: 'DELETE', headers: first })
    expect(deleted.json).toEqual({ id: json.id, object: 'job.deleted', deleted: true })
    expect((await ask(`/v1/jobs/${json.id}`)).status).toBe(404)
  })
})

test('an answer that takes longer than a connection may wait is told where to be had', async () => {
  const answer = await post({ model: 'upstream/lorem?tokens=40&gap_ms=20' })
  expect(answer).toMatchObject({ status: 504, json: { error: { code: 'sync_wait_exceeded' } } })
  expect(answer.headers.get('x-should-retry')).toBe('false')
  const location = answer.headers.get('location')!
  expect((await ask(location)).status).toBe(202)
  await gateway().simulator.idle()
  await eventually('the run has ended', async () => (await ask(location)).status === 200)
})

describe('an Idempotency-Key', () => {
  const keyed = (key: string) => ({ 'idempotency-key': key })
  const calls = () => gateway().simulator.journal().totals.calls

  test('attaches the same request to the run that there is: one call, the same answers', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        post({ model: 'upstream/lorem?tokens=9&gap_ms=20' }, keyed('one'), index % 2),
      ),
    )
    answers.push(await post({ model: 'upstream/lorem?tokens=9&gap_ms=20' }, keyed('one')))
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect(answers.map(({ status }) => status)).toEqual(Array(13).fill(200))
    const replayed = answers.filter(({ headers }) => headers.get('idempotent-replayed') === 'true')
    expect(replayed).toHaveLength(12)
    expect(calls()).toBe(1)
  })

  test('attaches a stream from its beginning, while it runs and afterwards', async () => {
    const send = (api: number) => post({ model: slow, stream: true }, keyed('two'), api)
    const streams = [...(await Promise.all([send(0), send(1)])), await send(0)]
    expect(new Set(streams.map(({ text }) => text)).size).toBe(1)
    expect(streams[2]?.headers.get('idempotent-replayed')).toBe('true')
    expect(calls()).toBe(1)
  })

  test('goes on in the stream where a client that comes back has stopped', async () => {
    const { text, headers } = await post({ model: slow, stream: true }, keyed('three'))
    const rid = headers.get('x-millrace-run')
    const rest = await post(
      { model: slow, stream: true },
      { ...keyed('three'), 'last-event-id': `${rid}:5` },
      1,
    )
    expect(rest.text).toBe(text.slice(text.indexOf(`id: ${rid}:6`)))
  })

  test('attaches a job', async () => {
    const jobs = [
      await post({}, { ...later, ...keyed('four') }),
      await post({}, { ...later, ...keyed('four') }),
    ]
    expect(jobs[1]?.json.id).toBe(jobs[0]?.json.id)
    expect(jobs[1]?.headers.get('location')).toBe(jobs[0]?.headers.get('location'))
    expect(jobs[1]?.headers.get('x-millrace-run')).toBe(jobs[0]?.json.id)
    expect(jobs[1]?.headers.get('idempotent-replayed')).toBe('true')
  })

  test('is refused with another body, and the client is told not to try again', async () => {
    await post({}, keyed('five'))
    const refused = await post({ temperature: 1 }, keyed('five'), 1)
    expect(refused).toMatchObject({
      status: 422,
      json: { error: { code: 'idempotency_key_reused', param: 'Idempotency-Key' } },
    })
    expect(refused.headers.get('x-should-retry')).toBe('false')
  })

  test('means nothing to another tenant', async () => {
    const mine = await post({}, keyed('six'))
    const theirs = await post({ temperature: 1 }, { ...keyed('six'), ...other })
    expect(theirs.status).toBe(200)
    expect(theirs.headers.get('idempotent-replayed')).toBeNull()
    expect(theirs.json.id).not.toBe(mine.json.id)
  })

  test('is not taken by a request that was refused', async () => {
    expect((await post({ model: 'nope' }, keyed('seven'))).status).toBe(404)
    expect((await post({}, keyed('seven'))).status).toBe(200)
  })

  test('of a run that was deleted leads nowhere, rather than to a second call', async () => {
    for (const fields of [{ stream: false }, { stream: true }]) {
      const { headers } = await post(fields, keyed(`eight ${String(fields.stream)}`))
      const path = `${gateway().url}${chats}/${headers.get('x-millrace-run')}`
      await callApi(path, { method: 'DELETE', headers: first })
      const again = await post(fields, keyed(`eight ${String(fields.stream)}`))
      expect(again).toMatchObject({ status: 404, json: { error: { code: 'response_not_found' } } })
    }
    expect(calls()).toBe(2)
  })
})

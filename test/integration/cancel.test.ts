import { Redis } from 'ioredis'
import OpenAI, { APIError } from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi, type JsonObject } from '../support/http.ts'

const first = { authorization: 'Bearer sk-first' }
const other = { authorization: 'Bearer sk-other' }
const messages = [{ role: 'user' as const, content: 'Hello' }]
/** Two seconds of talk, when nobody stops it. */
const long = 'upstream/lorem?tokens=100&gap_ms=20'
const unknownId = 'chatcmpl-00000000000000000000000000000000'

const gateway = useGateway({
  apis: 2,
  config: {
    keys: [
      { key: 'sk-first', tenant: 'first' },
      { key: 'sk-other', tenant: 'other' },
    ],
    providers: { narrow: { concurrency: 1 } },
    models: [
      {
        name: 'fleeting',
        targets: [{ provider: 'upstream', model: 'lorem?tokens=100&gap_ms=20' }],
        on_disconnect: 'cancel',
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

const at = (path: string, api = 0) => `${gateway().apis[api]?.url}${path}`
const chats = '/v1/chat/completions'
const lastCall = () => gateway().simulator.journal().entries.at(-1)

/** A streaming client that leaves when it has read some of the answer. */
async function leaveMidStream(fields: JsonObject, headers: Record<string, string> = {}): Promise<string> {
  const leaving = new AbortController()
  const response = await fetch(at(chats), {
    method: 'POST',
    body: JSON.stringify({ model: long, stream: true, messages, ...fields }),
    headers: { ...first, 'content-type': 'application/json', ...headers },
    signal: leaving.signal,
  })
  const reader = response.body!.getReader()
  for (let text = ''; !text.includes(':3\n');) text += Buffer.from((await reader.read()).value!).toString()
  leaving.abort()
  return response.headers.get('x-millrace-run')!
}

async function submit(fields: JsonObject): Promise<string> {
  const body = { model: long, messages, ...fields }
  const { json } = await callApi(at(chats), { body, headers: { ...first, prefer: 'respond-async' } })
  return json.id as string
}

describe('a client that leaves in the middle of a stream', () => {
  test('finds the whole answer later', async () => {
    const rid = await leaveMidStream({ model: 'upstream/lorem?tokens=40&gap_ms=10' })
    await eventually('the run has ended', async () => {
      return (await callApi(at(`${chats}/${rid}`), { headers: first })).status === 200
    })
    const { json } = await callApi(at(`${chats}/${rid}`, 1), { headers: first })
    expect(json.choices[0]).toMatchObject({ finish_reason: 'stop' })
    expect(json.choices[0].message.content.split(' ')).toHaveLength(40)
    expect(gateway().simulator.journal().totals).toMatchObject({ calls: 1, closedBy: { finished: 1 } })
  })

  test.each([
    ['asked for it', {}, { 'x-millrace-on-disconnect': 'cancel' }],
    ['asked for a model that says so', { model: 'fleeting' }, {}],
  ])('ends the call within a second if it %s', async (_name, fields, headers) => {
    const rid = await leaveMidStream(fields, headers)
    const leftAtMs = Date.now()
    await gateway().simulator.idle()
    expect(lastCall()).toMatchObject({ closedBy: 'client' })
    expect(Date.now() - leftAtMs).toBeLessThan(1_000)

    await eventually('the run has ended', async () => {
      return (await callApi(at(`${chats}/${rid}`), { headers: first })).status === 200
    })
    const { json } = await callApi(at(`${chats}/${rid}`), { headers: first })
    expect(json).toMatchObject({ status: 'cancelled', choices: [{ finish_reason: null }] })
    expect(json.choices[0].message.content).toMatch(/^Lorem ipsum/)
  })

  test('ends the call too if it waited for a whole answer', async () => {
    const leaving = new AbortController()
    const waiting = fetch(at(chats), {
      method: 'POST',
      body: JSON.stringify({ model: long, messages }),
      headers: { ...first, 'content-type': 'application/json', 'x-millrace-on-disconnect': 'cancel' },
      signal: leaving.signal,
    })
    await eventually('the provider is called', () => lastCall() !== undefined)
    leaving.abort()
    await expect(waiting).rejects.toThrow()
    await gateway().simulator.idle()
    expect(lastCall()).toMatchObject({ closedBy: 'client' })
  })

  test('takes nothing from the one who asked, if it only came to look on', async () => {
    const asking = fetch(at(chats), {
      method: 'POST',
      body: JSON.stringify({ model: 'upstream/lorem?tokens=40&gap_ms=10', stream: true, messages }),
      headers: { ...first, 'content-type': 'application/json', 'x-millrace-on-disconnect': 'cancel' },
    })
    const rid = (await asking).headers.get('x-millrace-run')
    const leaving = new AbortController()
    const looking = await fetch(at(`${chats}/${rid}?stream=true`, 1), {
      headers: first,
      signal: leaving.signal,
    })
    await looking.body?.getReader().read()
    leaving.abort()
    expect(await (await asking).text()).toMatch(/"finish_reason":"stop"[^]*\[DONE]/)
  })
})

describe('cancelling', () => {
  test('a run that waits ends it at once, without a call', async () => {
    const busy = await submit({ model: 'narrow/lorem?tokens=100&gap_ms=20' })
    await eventually('the first run is carried', () => lastCall() !== undefined)
    const waiting = await submit({ model: 'narrow/lorem?tokens=3', stream: true })
    expect((await callApi(at(`/v1/jobs/${waiting}`), { headers: first })).json).toMatchObject({
      status: 'queued',
      queue_position: 0,
    })
    const attached = callApi(at(`${chats}/${waiting}?stream=true`, 1), { headers: first })

    const cancel = () => callApi(at(`${chats}/${waiting}/cancel`), { method: 'POST', headers: first })
    const cancelled = await cancel()
    expect(cancelled).toMatchObject({ status: 200, json: { id: waiting, status: 'cancelled' } })
    expect((await cancel()).text).toBe(cancelled.text)
    const told = await attached
    expect(told.status).toBe(200)
    expect(told.text).toMatch(/event: error\ndata: .*"code":"cancelled".*\n\ndata: \[DONE]/)

    await callApi(at(`${chats}/${busy}/cancel`), { method: 'POST', headers: first })
    const next = await callApi(at(chats), {
      body: { model: 'narrow/lorem?tokens=3', messages },
      headers: first,
    })
    expect(next.status).toBe(200)
    expect(gateway().simulator.journal().totals.calls).toBe(2)
  })

  test('a stream ends its call, keeps what was said, and tells its readers', async () => {
    const client = new OpenAI({ apiKey: 'sk-first', baseURL: at('/v1') })
    const stream = await client.chat.completions.create({ model: long, stream: true, messages })
    let text = ''
    let rid = ''
    let cancelled: Promise<JsonObject> | undefined
    const reading = (async () => {
      for await (const { id, choices } of stream) {
        rid = id
        text += choices[0]?.delta.content ?? ''
        cancelled ??= callApi(at(`${chats}/${rid}/cancel`, 1), { method: 'POST', headers: first })
      }
    })()

    await expect(reading).rejects.toSatisfy((error) => {
      return error instanceof APIError && error.code === 'cancelled' && error.type === 'cancelled_error'
    })
    const answer = await cancelled
    expect(answer).toMatchObject({ status: 200, json: { id: rid, status: 'cancelled' } })
    expect(answer?.json.choices[0].message.content).toBe(text)
    await gateway().simulator.idle()
    expect(lastCall()).toMatchObject({ closedBy: 'client' })

    const again = await callApi(at(`${chats}/${rid}/cancel`), { method: 'POST', headers: first })
    expect(again.text).toBe(answer?.text)
    expect((await callApi(at(`${chats}/${rid}`), { headers: first })).text).toBe(answer?.text)
    const job = await callApi(at(`/v1/jobs/${rid}`), { headers: first })
    expect(job.json).toMatchObject({ status: 'cancelled', error: { code: 'cancelled' } })
  })

  test('a run that has ended changes nothing', async () => {
    const model = 'upstream/lorem?tokens=3'
    const { json, text } = await callApi(at(chats), { body: { model, messages }, headers: first })
    const cancelled = await callApi(at(`${chats}/${json.id}/cancel`), { method: 'POST', headers: first })
    expect(cancelled).toMatchObject({ status: 200, text })
  })
})

describe('deleting', () => {
  test('a run that goes on ends its call, and nobody can read it any more', async () => {
    const rid = await submit({ stream: true })
    await eventually('the provider is called', () => lastCall() !== undefined)
    // A reader from whom the run is taken in the midst of it is cut off, and is told 404 when it comes back.
    const reading = callApi(at(`${chats}/${rid}?stream=true`, 1), { headers: first }).catch(() => ({
      text: '',
    }))
    const remove = () => callApi(at(`${chats}/${rid}`), { method: 'DELETE', headers: first })
    expect(await remove()).toMatchObject({
      status: 200,
      json: { id: rid, object: 'chat.completion.deleted', deleted: true },
    })
    expect((await remove()).status).toBe(404)
    expect((await reading).text).not.toMatch(/"finish_reason":"stop"/)
    await gateway().simulator.idle()
    expect(lastCall()).toMatchObject({ closedBy: 'client' })

    for (const path of [`${chats}/${rid}`, `${chats}/${rid}?stream=true`, `/v1/jobs/${rid}`]) {
      expect((await callApi(at(path), { headers: first })).status, path).toBe(404)
    }
    await eventually('its keys are gone', async () => (await redis.keys(`*${rid}*`)).length === 0)
    expect((await callApi(at(`${chats}/${rid}`), { headers: first })).status).toBe(404)
    expect((await callApi(at('/v1/jobs'), { headers: first })).text).not.toContain(rid)
  })

  test('a run that Redis has forgotten takes it out of the archive', async () => {
    const { json } = await callApi(at(chats), {
      body: { model: 'upstream/lorem?tokens=3', messages, store: true },
      headers: first,
    })
    const rid = json.id as string
    await eventually('the run is archived', async () => (await redis.zscore('mr:outbox', rid)) === null)
    await redis.del(`mr:run:${rid}`, `mr:body:${rid}`, `mr:log:${rid}`)
    expect((await callApi(at(`${chats}/${rid}`), { headers: first })).status).toBe(200)
    expect((await callApi(at(`${chats}/${rid}`, 1), { method: 'DELETE', headers: first })).status).toBe(200)
    expect((await callApi(at(`${chats}/${rid}`), { headers: first })).status).toBe(404)
    expect((await callApi(at(chats), { headers: first })).text).not.toContain(rid)
  })
})

describe('another tenant', () => {
  const ways: [method: string, path: string, headers?: Record<string, string>][] = [
    ['GET', `${chats}/ID`],
    ['GET', `${chats}/ID?stream=true`],
    ['GET', `${chats}/ID?stream=true&starting_after=1`],
    ['GET', `${chats}/ID`, { 'last-event-id': 'ID:1' }],
    ['POST', chats, { 'last-event-id': 'ID:1' }],
    ['POST', `${chats}/ID/cancel`],
    ['DELETE', `${chats}/ID`],
    ['GET', '/v1/jobs/ID'],
    ['GET', '/v1/jobs/ID', { prefer: 'wait=5' }],
    ['GET', '/v1/jobs/ID/result'],
    ['GET', '/v1/jobs/ID/events'],
    ['POST', '/v1/jobs/ID/cancel'],
    ['DELETE', '/v1/jobs/ID'],
  ]

  async function expectUnknown(rid: string): Promise<void> {
    for (const [method, path, headers = {}] of ways) {
      const ask = (id: string) =>
        callApi(at(path.replace('ID', id)), {
          method,
          ...(path === chats && { body: { model: long, messages } }),
          headers: {
            ...Object.fromEntries(
              Object.entries(headers).map(([key, value]) => [key, value.replace('ID', id)]),
            ),
            ...other,
          },
        })
      const answer = await ask(rid)
      expect(answer, `${method} ${path}`).toMatchObject({
        status: 404,
        json: { error: { code: 'response_not_found' } },
      })
      const unknown = await ask(unknownId)
      expect(answer.text.replaceAll(rid, 'ID')).toBe(unknown.text.replaceAll(unknownId, 'ID'))
      const names = (headersOf: Headers) => [...headersOf.keys()].toSorted()
      expect(names(answer.headers)).toEqual(names(unknown.headers))
    }
    expect((await callApi(at('/v1/jobs'), { headers: other })).text).not.toContain(rid)
    expect((await callApi(at(chats), { headers: other })).text).not.toContain(rid)
    const page = await callApi(at(`/v1/jobs?after=${rid}`), { headers: other })
    expect(page.text).not.toContain(rid)
  }

  test('learns nothing of a run, and does nothing to it: while it runs, afterwards, and in the archive', async () => {
    const rid = await submit({ stream: true, store: true })
    await eventually('the provider is called', () => lastCall() !== undefined)
    await expectUnknown(rid)
    const whole = await callApi(at(`${chats}/${rid}?stream=true`), { headers: first })
    expect(whole.text).toMatch(/"finish_reason":"stop"[^]*\[DONE]/)
    await expectUnknown(rid)
    await eventually('the run is archived', async () => (await redis.zscore('mr:outbox', rid)) === null)
    await redis.del(`mr:run:${rid}`, `mr:body:${rid}`, `mr:log:${rid}`)
    await expectUnknown(rid)
    expect((await callApi(at(`${chats}/${rid}?stream=true`), { headers: first })).text).toBe(whole.text)
  })
})

import { Redis } from 'ioredis'
import { beforeEach, describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi, type JsonObject } from '../support/http.ts'

const first = { authorization: 'Bearer sk-first' }
const other = { authorization: 'Bearer sk-other' }
const gateway = useGateway({
  config: {
    keys: [
      { key: 'sk-first', tenant: 'first' },
      { key: 'sk-other', tenant: 'other' },
    ],
  },
})
beforeEach(async () => {
  await gateway().simulator.idle()
  gateway().simulator.reset()
})

const chats = '/v1/chat/completions'
const messages = [{ role: 'user', content: 'Hello' }]
const short = 'upstream/lorem?tokens=3'

function ask(path: string, headers: Record<string, string> = {}) {
  return callApi(`${gateway().url}${path}`, { headers: { ...first, ...headers } })
}

function post(fields: JsonObject = {}, headers: Record<string, string> = {}) {
  return callApi(`${gateway().url}${chats}`, {
    body: { model: short, messages, ...fields },
    headers: { ...first, ...headers },
  })
}

const later = { prefer: 'respond-async' }

describe('a job', () => {
  test('is found by what it is and when it was made, over pages of others', async () => {
    const tagged: string[] = []
    for (let count = 0; count < 6; count += 1) {
      const { json } = await post(count % 2 === 0 ? { metadata: { team: 'blue', 'a b': '[&]' } } : {})
      if (count % 2 === 0) tagged.unshift(json.id as string)
    }
    const list = async (query: string) => (await ask(`/v1/jobs?${query}`)).json
    const blue = 'metadata[team]=blue&metadata[a%20b]=%5B%26%5D'
    const page = await list(`${blue}&limit=2`)
    expect(page.data.map(({ id }: JsonObject) => id)).toEqual(tagged.slice(0, 2))
    expect(page).toMatchObject({ has_more: true, last_id: tagged[1] })
    const rest = await list(`${blue}&limit=2&after=${page.last_id}`)
    expect(rest.data.map(({ id }: JsonObject) => id)).toEqual(tagged.slice(2))
    expect(rest.has_more).toBe(false)
    for (const none of [
      'metadata[team]=red',
      'model=nope',
      'endpoint=/v1/nope',
      'status=failed&model=house',
    ]) {
      expect(await list(none)).toMatchObject({ data: [], last_id: null, has_more: false })
    }
    expect((await list(`${blue}&model=${short}&endpoint=${chats}&status=completed`)).data).toHaveLength(3)

    const time = page.data[0].created_at as number
    expect((await list(`${blue}&created_after=${time + 1}`)).data).toEqual([])
    for (const order of ['asc', 'desc']) {
      const made = await list(`${blue}&order=${order}&created_after=${time - 100}&created_before=${time + 1}`)
      expect(made.data).toHaveLength(3)
      expect((await list(`order=${order}&created_before=${time - 100}`)).data).toEqual([])
    }
  })

  test('is found behind more that are gone than one request looks at', async () => {
    const { json } = await post({ metadata: { needle: 'here' } })
    const redis = new Redis(gateway().redis.url)
    const later = Date.now() + 1_000
    const gone = Array.from({ length: 2_050 }, (_, index) => {
      const id = `chatcmpl-${(later + index).toString(16).padStart(12, '0')}7${'0'.repeat(19)}`
      return [later + index, id] as const
    })
    await redis.zadd('mr:runs:first', ...gone.flat())
    try {
      const path = '/v1/jobs?metadata[needle]=here'
      const first = (await ask(path)).json
      expect(first).toMatchObject({ data: [], has_more: true, last_id: expect.stringMatching(/^chatcmpl-/) })
      const next = (await ask(`${path}&after=${first.last_id}`)).json
      expect(next).toMatchObject({ data: [{ id: json.id }], last_id: json.id, has_more: false })
    } finally {
      await redis.zrem('mr:runs:first', ...gone.map(([, id]) => id))
      await redis.quit()
    }
  })

  test.each([
    ['status=done', 'status'],
    ['model=', 'model'],
    ['model=a&model=b', 'model'],
    ['endpoint=', 'endpoint'],
    ['metadata=team', 'metadata'],
    ['metadata[team]=a&metadata[team]=b', 'metadata'],
    ['created_after=today', 'created_after'],
    ['created_before=-1', 'created_before'],
    ['after=nope', 'after'],
  ])('is not looked for by %s', async (query, param) => {
    const refused = await ask(`/v1/jobs?${query}`)
    expect(refused).toMatchObject({ status: 400, json: { error: { code: 'invalid_request', param } } })
  })
})

describe('many jobs at once', () => {
  const cancel = (body: unknown, headers: Record<string, string> = {}) =>
    callApi(`${gateway().url}/v1/jobs/cancel`, { method: 'POST', body, headers: { ...first, ...headers } })
  const long = 'upstream/lorem?tokens=200&gap_ms=20'

  test('are cancelled by their ids, each with its own answer', async () => {
    const running = (await post({ model: long }, later)).json.id as string
    await eventually('the provider is called', () => gateway().simulator.journal().totals.calls === 1)
    const ended = (await post()).json.id as string
    const unknown = `chatcmpl-${'0'.repeat(32)}`
    const ids = [running, ended, unknown, 'no id at all', running]
    const answer = await cancel({ ids })
    expect(answer.status).toBe(200)
    expect(answer.json).toEqual({
      object: 'list',
      data: [
        { id: running, object: 'job.cancellation', result: 'cancelling' },
        { id: ended, object: 'job.cancellation', result: 'ended' },
        { id: unknown, object: 'job.cancellation', result: 'not_found' },
        { id: 'no id at all', object: 'job.cancellation', result: 'not_found' },
      ],
      has_more: false,
    })
    expect((await ask(`/v1/jobs/${running}`, { prefer: 'wait=10' })).json.status).toBe('cancelled')
    expect((await cancel({ ids: [running] })).json.data[0].result).toBe('ended')
  })

  test('are cancelled by filters, and no others, nor those of another tenant', async () => {
    const blue = { model: long, metadata: { team: 'blue' } }
    const jobs = [await post(blue, later), await post(blue, later)]
    const [red, theirs] = [await post({ model: long }, later), await post(blue, { ...later, ...other })]
    const answer = await cancel({ metadata: { team: 'blue' }, model: long })
    expect(answer.json).toMatchObject({ object: 'list', has_more: false })
    expect(answer.json.data.map(({ id }: JsonObject) => id)).toEqual(
      jobs.map(({ json }) => json.id).toReversed(),
    )
    for (const { json } of jobs) {
      expect((await ask(`/v1/jobs/${json.id}`, { prefer: 'wait=10' })).json.status).toBe('cancelled')
    }
    expect((await ask(`/v1/jobs/${red.json.id}`)).json.completed_at).toBeNull()
    expect((await ask(`/v1/jobs/${theirs.json.id}`, other)).json.completed_at).toBeNull()
    expect((await cancel({ ids: [theirs.json.id] })).json.data[0].result).toBe('not_found')
    await cancel({ status: 'in_progress' })
    await cancel({ model: long }, other)
  })

  test.each([
    [{}, 'ids'],
    [{ ids: [] }, 'ids'],
    [{ ids: 'all' }, 'ids'],
    [{ ids: [1] }, 'ids'],
    [{ ids: Array(1_001).fill('a') }, 'ids'],
    [{ ids: ['a'], status: 'queued' }, 'status'],
    [{ modle: 'house' }, 'modle'],
    [{ status: 'completed' }, 'status'],
    [{ metadata: { team: 1 } }, 'metadata'],
    [[], null],
  ])('are not cancelled by %j', async (body, param) => {
    const refused = await cancel(body)
    expect(refused).toMatchObject({ status: 400, json: { error: { code: 'invalid_request', param } } })
  })
})

import { describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi, type JsonObject } from '../support/http.ts'

const key = (name: string, more: object) => ({ name, key: `sk-${name}-0123456789`, tenant: name, ...more })
const model = 'lorem?tokens=3'

const gateway = useGateway({
  apis: 2,
  config: {
    keys: [
      key('free', {}),
      key('few', { limits: { requests_per_minute: 3 } }),
      key('small', { limits: { tokens_per_minute: 600 } }),
      key('one', { limits: { parallel: 1 } }),
      key('again', { limits: { requests_per_minute: 2 } }),
      key('picky', { models: { allow: ['fast', 'up*'], deny: ['upstream/secret*'] } }),
      key('barred', { models: { deny: ['large'] } }),
    ],
    models: [
      { name: 'fast', targets: [{ provider: 'upstream', model }] },
      { name: 'large', aliases: ['huge'], targets: [{ provider: 'upstream', model }] },
    ],
  },
})

interface Asking {
  headers?: Record<string, string>
  fields?: JsonObject
  api?: number
}

function ask(name: string, asked: string, { headers = {}, fields = {}, api = 0 }: Asking = {}) {
  const body = { model: asked, messages: [{ role: 'user', content: 'Hello' }], ...fields }
  const authorization = `Bearer sk-${name}-0123456789`
  return callApi(`${gateway().apis[api]?.url}/v1/chat/completions`, {
    body,
    headers: { authorization, ...headers },
  })
}

describe('a key with limits', () => {
  test('is refused beyond its requests, in every process, with what is left and when to come again', async () => {
    const first = await ask('few', 'fast')
    expect(first.status).toBe(200)
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('3')
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('2')
    expect((await ask('few', 'fast', { api: 1 })).status).toBe(200)
    const streamed = await ask('few', 'fast', { fields: { stream: true } })
    expect(streamed.headers.get('x-ratelimit-remaining-requests')).toBe('0')

    const { status, headers, json } = await ask('few', 'fast', { api: 1 })

    expect([status, json.error.code]).toEqual([429, 'rate_limit_exceeded'])
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(50)
    expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(64)
    expect(headers.get('x-ratelimit-remaining-requests')).toBe('0')
    expect((await ask('free', 'fast')).status).toBe(200)
  })

  test('gets tokens back that its runs did not use', async () => {
    const first = await ask('small', 'fast', { fields: { max_tokens: 500 } })
    expect(first.status).toBe(200)
    expect(Number(first.headers.get('x-ratelimit-remaining-tokens'))).toBeLessThan(100)
    await eventually('the run has given its tokens back', async () => {
      const next = await ask('small', 'fast', { fields: { max_tokens: 20 } })
      return next.status === 200 && Number(next.headers.get('x-ratelimit-remaining-tokens')) > 400
    })
    const { status, headers } = await ask('small', 'fast', { fields: { max_tokens: 5_000 } })
    expect(status).toBe(429)
    expect(headers.get('x-ratelimit-limit-tokens')).toBe('600')
  })

  test('has as many runs at once as it may, and the next when one has ended', async () => {
    const slow = ask('one', 'upstream/lorem?tokens=3&ttft_ms=600')
    await eventually('it runs', () => gateway().simulator.journal().totals.inFlight === 1)
    expect((await ask('one', 'fast', { api: 1 })).status).toBe(429)
    expect((await slow).status).toBe(200)
    await eventually('its place is free', async () => (await ask('one', 'fast')).status === 200)
  })

  test('gets an earlier answer again for nothing', async () => {
    const headers = { 'idempotency-key': 'once' }
    const first = await ask('again', 'fast', { headers })
    for (let times = 0; times < 4; times++) {
      const replay = await ask('again', 'fast', { headers })
      expect(replay.json.id).toBe(first.json.id)
    }
    expect((await ask('again', 'fast')).status).toBe(200)
    expect((await ask('again', 'fast')).status).toBe(429)
    expect((await ask('again', 'fast', { headers })).json.id).toBe(first.json.id)
  })
})

describe('a key for some models', () => {
  const list = async (name: string): Promise<string[]> => {
    const headers = { authorization: `Bearer sk-${name}-0123456789` }
    const { json } = await callApi(`${gateway().url}/v1/models`, { headers })
    return (json.data as { id: string }[]).map(({ id }) => id)
  }

  test('may ask for these alone', async () => {
    expect((await ask('picky', 'fast')).status).toBe(200)
    expect((await ask('picky', `upstream/${model}`)).status).toBe(200)
    for (const asked of ['large', 'huge', 'upstream/secret-one', 'unheard-of']) {
      const { status, json } = await ask('picky', asked)
      expect([status, json.error.code]).toEqual([403, 'permission_denied'])
      expect(json.error.message).toContain(`"${asked}"`)
    }
  })

  test('is denied a model by each of its names, and as a fallback', async () => {
    for (const asked of ['large', 'huge']) expect((await ask('barred', asked)).status).toBe(403)
    expect((await ask('barred', 'fast', { fields: { fallbacks: ['huge'] } })).status).toBe(403)
    expect((await ask('barred', 'fast')).status).toBe(200)
  })

  test('sees these alone in lists', async () => {
    expect(await list('free')).toEqual(expect.arrayContaining(['fast', 'large', 'huge']))
    expect(await list('picky')).toEqual(['fast'])
    expect(await list('barred')).not.toContain('huge')
    const headers = { authorization: 'Bearer sk-barred-0123456789' }
    expect((await callApi(`${gateway().url}/v1/models/large`, { headers })).status).toBe(403)
  })
})

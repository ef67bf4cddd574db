import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { useGateway } from '../../support/gateway.ts'
import { callApi, expectError } from '../../support/http.ts'
import { startReceiver, type WebhookReceiver } from '../../support/webhook-receiver.ts'
import { isSigned, toWebhookSection } from '../../support/webhooks.ts'

let there: WebhookReceiver
beforeAll(async () => {
  there = await startReceiver()
})
afterAll(() => there.close())

const gateway = useGateway(() => ({
  config: {
    keys: [
      { key: 'sk-first', tenant: 'first' },
      { key: 'sk-other', tenant: 'other' },
    ],
    webhooks: toWebhookSection([there], {
      encryption_key: 'ab'.repeat(32),
      timeout_ms: 500,
      ports: [443, 8443, there.port],
    }),
  },
}))

function client(apiKey = 'sk-first'): OpenAI {
  return new OpenAI({ apiKey, baseURL: `${gateway().url}/v1`, maxRetries: 0 })
}

beforeEach(async () => {
  there.received.length = 0
  there.react = () => ({ status: 200 })
  for (const apiKey of ['sk-first', 'sk-other']) {
    for await (const { id } of client(apiKey).webhooks.list()) await client(apiKey).webhooks.delete(id)
  }
})

const events = ['response.completed', 'batch.completed'] as const
const settings = { name: 'mine', event_types: [...events] }

describe("OpenAI's client", () => {
  test('creates, retrieves, lists, updates and deletes an endpoint', async () => {
    const { webhooks } = client()
    const created = await webhooks.create({ ...settings, url: there.url })
    expect(created).toMatchObject({
      id: expect.stringMatching(/^whe_[0-9a-f]{32}$/),
      object: 'webhook_endpoint',
      name: 'mine',
      url: there.url,
      event_types: events,
      signing_secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
      signing_secret_hint: `whsec_…${created.signing_secret.slice(-5)}`,
      status: 'enabled',
    })
    const { signing_secret: _shownOnce, ...shown } = created
    expect(await webhooks.retrieve(created.id)).toEqual(shown)

    const renamed = await webhooks.update(created.id, { name: 'yours', event_types: ['response.failed'] })
    expect(renamed).toMatchObject({ name: 'yours', event_types: ['response.failed'], url: there.url })
    expect(await webhooks.update(created.id)).toEqual(renamed)

    expect(await webhooks.delete(created.id)).toEqual({
      id: created.id,
      object: 'webhook_endpoint.deleted',
      deleted: true,
    })
    await expect(webhooks.retrieve(created.id)).rejects.toMatchObject({
      status: 404,
      code: 'webhook_endpoint_not_found',
    })
  })

  test('goes through the pages of the list, newest first', async () => {
    const { webhooks } = client()
    const ids: string[] = []
    for (const name of ['a', 'b', 'c'])
      ids.unshift((await webhooks.create({ ...settings, name, url: there.url })).id)
    const listed: string[] = []
    for await (const { id } of webhooks.list({ limit: 2 })) listed.push(id)
    expect(listed).toEqual(ids)
  })

  test('lists the types of event, and subscribes to each of them', async () => {
    const { webhooks } = client()
    const { data } = await webhooks.eventTypes.list()
    expect(data).toContain('response.completed')
    const created = await webhooks.create({
      ...settings,
      event_types: data as typeof settings.event_types,
      url: there.url,
    })
    expect(created.event_types).toEqual(data)
  })

  test('sends a test, and unwraps it', async () => {
    const { webhooks } = client()
    const { id, signing_secret: secret } = await webhooks.create({ ...settings, url: there.url })
    expect(await webhooks.test(id, { event_type: 'response.completed' })).toEqual({
      object: 'webhook_endpoint.test',
      event_type: 'response.completed',
      status_code: 200,
      success: true,
      webhook_endpoint_id: id,
    })
    const [event] = there.received
    if (event === undefined) throw new Error('Nothing came.')
    const unwrapped = await webhooks.unwrap(event.body, event.headers, secret)
    expect(unwrapped).toMatchObject({
      id: event.headers['webhook-id'],
      object: 'event',
      type: 'response.completed',
      data: { id: expect.any(String) },
    })
    expect(isSigned(event, secret)).toBe(true)
    await expect(webhooks.unwrap(`${event.body} `, event.headers, secret)).rejects.toThrow(/signature/)
    await expect(webhooks.unwrap(event.body, event.headers, `whsec_${'A'.repeat(43)}=`)).rejects.toThrow(
      /signature/,
    )
    const old = {
      ...event.headers,
      'webhook-timestamp': String(Number(event.headers['webhook-timestamp']) - 3_600),
    }
    await expect(webhooks.unwrap(event.body, old, secret)).rejects.toThrow(/too old/)

    there.react = () => ({ status: 503 })
    expect(await webhooks.test(id, { event_type: 'batch.completed' })).toMatchObject({ status_code: 503 })
    there.react = () => 'silence'
    await expect(webhooks.test(id, { event_type: 'batch.completed' })).rejects.toMatchObject({
      status: 422,
      code: 'webhook_endpoint_unreachable',
    })
  })

  test('rotates the secret, and the old one stays good only if it is asked to', async () => {
    const { webhooks } = client()
    const first = await webhooks.create({ ...settings, url: there.url })
    const second = await webhooks.rotateSecret(first.id, { keep_old_secret_active_for_24_hours: true })
    expect(second.signing_secret).not.toBe(first.signing_secret)
    await webhooks.test(first.id, { event_type: 'batch.completed' })
    const third = await webhooks.rotateSecret(first.id)
    await webhooks.test(first.id, { event_type: 'batch.completed' })
    const [both, last] = there.received
    if (both === undefined || last === undefined) throw new Error('Nothing came.')
    const secrets = [first, second, third].map(({ signing_secret: secret }) => secret)
    expect(secrets.map((secret) => isSigned(both, secret))).toEqual([true, true, false])
    expect(secrets.map((secret) => isSigned(last, secret))).toEqual([false, false, true])
    await webhooks.unwrap(both.body, both.headers, first.signing_secret)
  })
})

test('an endpoint outlives Redis', async () => {
  const { webhooks } = client()
  const { signing_secret: secret, ...created } = await webhooks.create({ ...settings, url: there.url })
  await gateway().redis.flush()
  expect(await webhooks.retrieve(created.id)).toEqual(created)
  await webhooks.test(created.id, { event_type: 'batch.completed' })
  expect(there.received.map((event) => isSigned(event, secret))).toEqual([true])
})

test('secrets lie sealed in Redis and in the object store, and in no log', async () => {
  const { webhooks } = client()
  const { id, signing_secret: secret } = await webhooks.create({ ...settings, url: there.url })
  await webhooks.test(id, { event_type: 'batch.completed' })
  const redis = new Redis(gateway().redis.url)
  const copy = await redis.get('mr:webhook:endpoints:first')
  redis.disconnect()
  const original = await readFile(join(gateway().dataDir, 'archive/webhooks/first.json'), 'utf8')
  expect(copy).toBe(original)
  expect(original).toContain(id)
  expect(original + gateway().output()).not.toContain(secret.slice(6, 30))
})

test("a tenant's endpoints are nobody else's", async () => {
  const { id } = await client().webhooks.create({ ...settings, url: there.url })
  const { webhooks } = client('sk-other')
  expect((await webhooks.list()).data).toEqual([])
  const unknown = { status: 404, code: 'webhook_endpoint_not_found' }
  await expect(webhooks.retrieve(id)).rejects.toMatchObject(unknown)
  await expect(webhooks.update(id, { name: 'mine now' })).rejects.toMatchObject(unknown)
  await expect(webhooks.rotateSecret(id)).rejects.toMatchObject(unknown)
  await expect(webhooks.test(id, { event_type: 'batch.completed' })).rejects.toMatchObject(unknown)
  await expect(webhooks.delete(id)).rejects.toMatchObject(unknown)
  const answer = await callApi(`${gateway().url}/v1/webhook_endpoints/${id}/deliveries`, {
    headers: { authorization: 'Bearer sk-other' },
  })
  expect(answer.status).toBe(404)
})

describe('what is wrong is refused by name', () => {
  const post = async (path: string, body: unknown) => {
    const url = `${gateway().url}/v1/webhook_endpoints${path}`
    const answer = await callApi(url, { body, headers: { authorization: 'Bearer sk-first' } })
    return { status: answer.status, contentType: answer.headers.get('content-type'), body: answer.text }
  }
  const good = { ...settings, url: 'https://example.com/' }
  const refused = (param: string) => ({ status: 400, code: 'invalid_request', param })

  test.each([
    [{ ...good, url: undefined }, 'url'],
    [{ ...good, url: 'nowhere' }, 'url'],
    [{ ...good, url: 'ftp://example.com/' }, 'url'],
    [{ ...good, url: 'https://user:word@example.com/' }, 'url'],
    [{ ...good, url: 'https://example.com:22/' }, 'url'],
    [{ ...good, url: 'https://169.254.169.254/' }, 'url'],
    [{ ...good, url: `https://example.com/${'a'.repeat(2048)}` }, 'url'],
    [{ ...good, url: 7 }, 'url'],
    [{ ...good, name: '' }, 'name'],
    [{ ...good, name: 'a\nb' }, 'name'],
    [{ ...good, name: 'a'.repeat(257) }, 'name'],
    [{ ...good, event_types: [] }, 'event_types'],
    [{ ...good, event_types: 'response.completed' }, 'event_types'],
    [{ ...good, event_types: ['response.completed', 'eval.run.succeeded'] }, 'event_types[1]'],
    [{ ...good, event_types: [null] }, 'event_types[0]'],
  ])('%j', async (body, param) => {
    expectError(await post('', body), refused(param))
  })

  test('a field that is not known, and a body that is none', async () => {
    const extra = await post('', { ...good, signing_secret: 'mine' })
    expect(extra.status).toBe(400)
    expect(extra.body).toContain('signing_secret')
    for (const body of [[], 'x', null]) expect((await post('', body)).status).toBe(400)
  })

  test('in rotations, tests, updates and lists', async () => {
    const { id } = await client().webhooks.create({ ...settings, url: there.url })
    expectError(
      await post(`/${id}/rotate_secret`, { keep_old_secret_active_for_24_hours: 'yes' }),
      refused('keep_old_secret_active_for_24_hours'),
    )
    expectError(await post(`/${id}/test`, { event_type: 'nothing' }), refused('event_type'))
    expectError(await post(`/${id}`, { status: 'paused' }), refused('status'))
    expectError(await post(`/${id}`, { url: 'https://[fe80::1]/' }), refused('url'))
    for (const query of ['limit=0', 'limit=1e9', 'after=whe_none', 'order=up']) {
      const answer = await callApi(`${gateway().url}/v1/webhook_endpoints?${query}`, {
        headers: { authorization: 'Bearer sk-first' },
      })
      expect(answer.json, query).toMatchObject({
        error: { code: 'invalid_request', param: query.split('=')[0] },
      })
    }
    for (const query of ['status=lost', 'after=whd_none', 'limit=0']) {
      const answer = await callApi(`${gateway().url}/v1/webhook_endpoints/${id}/deliveries?${query}`, {
        headers: { authorization: 'Bearer sk-first' },
      })
      expect(answer.json, query).toMatchObject({
        error: { code: 'invalid_request', param: query.split('=')[0] },
      })
    }
    const unknown = await post(`/${id}/deliveries/whd_none/redeliver`, {})
    expect(JSON.parse(unknown.body)).toMatchObject({ error: { code: 'webhook_delivery_not_found' } })
  })
})

import { Redis } from 'ioredis'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'
import { expectError, sendRaw } from '../support/http.ts'

const gateway = useGateway({
  config: {
    keys: [
      { key: 'sk-first', tenant: 'first' },
      { key: 'sk-other', tenant: 'other' },
    ],
  },
})
let redis: Redis

beforeAll(() => {
  redis = new Redis(gateway().redis.url)
})
afterAll(() => redis.quit())
afterEach(async () => {
  const health = await fetch(`${gateway().url}/healthz`)
  expect(health.status).toBe(200)
})

const messages = [{ role: 'user', content: 'Hello' }]
const json = 'application/json'

function chat(fields: object = {}): string {
  return JSON.stringify({ model: 'upstream/lorem?tokens=2', messages, ...fields })
}

interface Call {
  path?: string
  method?: string
  body?: NonNullable<RequestInit['body']>
  headers?: Record<string, string>
}

async function call({ path = '/v1/chat/completions', method, body, headers }: Call) {
  const response = await fetch(gateway().url + path, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    ...(body !== undefined && { body }),
    headers: {
      authorization: 'Bearer sk-first',
      ...(body !== undefined && { 'content-type': json }),
      ...headers,
    },
  })
  const { status, headers: answered } = response
  return { status, headers: answered, contentType: answered.get('content-type'), body: await response.text() }
}

/** The call is refused, soon, and leaves nothing behind: neither a run nor a job, and the provider hears nothing. */
async function expectRefusal(
  request: Call,
  expected: { status: number; code: string; param?: string },
): Promise<void> {
  const keysBefore = new Set(await redis.keys('*chatcmpl-*'))
  gateway().simulator.reset()
  const startedAtMs = performance.now()
  expectError(await call(request), expected)
  expect(performance.now() - startedAtMs).toBeLessThan(2_000)
  const keysAfter = new Set(await redis.keys('*chatcmpl-*'))
  expect([...keysAfter.difference(keysBefore)]).toEqual([])
  expect(gateway().simulator.journal().totals).toMatchObject({ calls: 0, closedBy: { refused: 0 } })
}

const invalid = (param?: string) => ({
  status: 400,
  code: 'invalid_request',
  ...(param !== undefined && { param }),
})
const invalidJson = { status: 400, code: 'invalid_json' }
const noModel = { status: 404, code: 'model_not_found', param: 'model' }

describe('a body that is no request', () => {
  test.each([
    ['nothing', '', invalid()],
    ['null', 'null', invalid()],
    ['an array', '[]', invalid()],
    ['a text', '"x"', invalid()],
    ['a number', '7', invalid()],
    ['half an object', '{"model":', invalidJson],
    ['a trailing comma', '{"model":"x",}', invalidJson],
    ['NaN', chat().replace('{', '{"temperature":NaN,'), invalidJson],
    ['two values', `${chat()}${chat()}`, invalidJson],
    ['what is not UTF-8', Buffer.from(chat({ user: 'é' }), 'latin1'), invalidJson],
    ['100,000 arrays in each other', '['.repeat(100_000) + ']'.repeat(100_000), invalid()],
    ['100,000 arrays that never end', '['.repeat(100_000), invalid()],
    ['100,000 objects in each other', '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000), invalid()],
    ['__proto__', chat().replace('{', '{"__proto__":{"isAdmin":true},'), invalidJson],
    ['__proto__ in the depth', chat().replace('"Hello"', '{"a":[{"__proto__":1}]}'), invalidJson],
    ['__proto__ in disguise', chat().replace('{', '{"\\u005f_proto__":{},'), invalidJson],
    ['constructor.prototype', chat({ metadata: { constructor: { prototype: {} } } }), invalidJson],
    ['11 MB', chat({ user: 'x'.repeat(11_000_000) }), { status: 413, code: 'request_too_large' }],
  ])('%s', async (_name, body, expected) => {
    await expectRefusal({ body }, expected)
  })

  test('a body that is declared in another type, or compressed', async () => {
    const unsupported = { status: 415, code: 'unsupported_media_type' }
    await expectRefusal({ body: chat(), headers: { 'content-type': 'text/plain' } }, unsupported)
    await expectRefusal({ body: chat(), headers: { 'content-encoding': 'gzip' } }, unsupported)
  })

  test('a byte order mark does no harm', async () => {
    expect(await call({ body: `\uFEFF${chat()}` })).toMatchObject({ status: 200 })
  })

  test('JSON that is declared but not sent is no error where no body is needed', async () => {
    const path = '/v1/jobs/chatcmpl-00000000000000000000000000000000'
    const declared = { headers: { 'content-type': json } }
    const gone = { status: 404, code: 'response_not_found' }
    await expectRefusal({ path: `${path}/cancel`, method: 'POST', ...declared }, gone)
    await expectRefusal({ path, method: 'DELETE', ...declared }, gone)
  })
})

describe('a field that cannot be meant', () => {
  const schema = (depth: number): object => (depth === 0 ? {} : { properties: schema(depth - 1) })
  const image = (url: string) => ({
    messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
  })
  const imageUrl = 'messages[0].content[0].image_url.url'

  test.each<[string, object, ReturnType<typeof invalid>]>([
    ['no model', { model: undefined }, invalid('model')],
    ['a model of 1 MB', { model: 'x'.repeat(1_000_000) }, invalid('model')],
    ['a model with line breaks', { model: 'upstream/a\r\nx-evil: 1' }, invalid('model')],
    ['a model that is a number', { model: 5 }, invalid('model')],
    ['0 messages', { messages: [] }, invalid('messages')],
    ['10,001 messages', { messages: Array(10_001).fill(messages[0]) }, invalid('messages')],
    ['an unknown role', { messages: [{ role: 'wizard', content: '' }] }, invalid('messages[0].role')],
    ['max_tokens below zero', { max_tokens: -1 }, invalid('max_tokens')],
    ['max_tokens of zero', { max_tokens: 0 }, invalid('max_tokens')],
    ['max_tokens of 1e12', { max_tokens: 1e12 }, invalid('max_tokens')],
    ['max_tokens in quotes', { max_tokens: '10' }, invalid('max_tokens')],
    ['a hot temperature', { temperature: 'hot' }, invalid('temperature')],
    ['a file for an image', image('file:///etc/passwd'), invalid(imageUrl)],
    ['gopher for an image', image('gopher://127.0.0.1:6379/_FLUSHALL'), invalid(imageUrl)],
    ['text for an image', image('data:text/html,<script>'), invalid(imageUrl)],
    [
      'a schema 500 levels deep',
      { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: schema(500) } } },
      invalid(),
    ],
    ['10,000 stops', { stop: Array(10_000).fill('x') }, invalid('stop')],
    ['an empty stop', { stop: '' }, invalid('stop')],
    ['1,000 choices', { n: 1000 }, invalid('n')],
    ['a billion top_logprobs', { logprobs: true, top_logprobs: 1e9 }, invalid('top_logprobs')],
    ['1 MB of metadata', { metadata: { a: 'x'.repeat(1_000_000) } }, invalid('metadata.a')],
    ['a line break in a metadata key', { metadata: { 'a:{\n': 'x' } }, invalid('metadata')],
    ['metadata in metadata', { metadata: { a: {} } }, invalid('metadata.a')],
    ['stream: "yes"', { stream: 'yes' }, invalid('stream')],
    ['stream: 1', { stream: 1 }, invalid('stream')],
    ['a text for stream_options', { stream: true, stream_options: 'x' }, invalid('stream_options')],
    ['stream_options without a stream', { stream_options: {} }, invalid('stream_options')],
  ])('%s', async (_name, fields, expected) => {
    await expectRefusal({ body: chat(fields) }, expected)
  })

  test('a number that no machine can hold', async () => {
    const body = chat().replace('{', '{"temperature":1e309,')
    await expectRefusal({ body }, invalid('temperature'))
  })

  test.each(['nope', 'nope/gpt', '../upstream/lorem', '__proto__', 'constructor'])(
    'there is no model %s',
    async (model) => {
      await expectRefusal({ body: chat({ model }) }, noModel)
    },
  )

  test('numbers at the edge of what is allowed pass', async () => {
    for (const number of ['"temperature":-0', '"seed":9223372036854775807', '"stream":null']) {
      expect(await call({ body: chat().replace('{', `{${number},`) })).toMatchObject({ status: 200 })
    }
  })

  test('an image at an internal address is the business of the provider: nobody here fetches it', async () => {
    const { simulator } = gateway()
    simulator.reset()
    expect(await call({ body: chat(image(`${simulator.url}/healthz`)) })).toMatchObject({ status: 200 })
    expect(simulator.journal().totals).toMatchObject({ calls: 1, closedBy: { refused: 0 } })
  })
})

describe('a header that cannot be meant', () => {
  const noKey = { status: 401, code: 'invalid_api_key' }

  test.each([
    ['no key', ''],
    ['another scheme', 'Basic c2stZmlyc3Q6'],
    ['a key of ten thousand letters', `Bearer ${'x'.repeat(10_000)}`],
    ['a key with one letter less', 'Bearer sk-firs'],
    ['a key with SQL', "Bearer ' OR 1=1--"],
    ['the name of a property', 'Bearer __proto__'],
  ])('%s', async (_name, authorization) => {
    await expectRefusal({ body: chat(), headers: { authorization } }, noKey)
    await expectRefusal({ path: '/v1/models', headers: { authorization } }, noKey)
  })

  test.each(['', 'k'.repeat(256), 'k'.repeat(10_240)])('an Idempotency-Key of %#', async (key) => {
    await expectRefusal(
      { body: chat(), headers: { 'idempotency-key': key } },
      { status: 400, code: 'invalid_request', param: 'Idempotency-Key' },
    )
  })

  test('an unknown lane, and an unknown wish for a disconnect', async () => {
    for (const name of ['x-millrace-priority', 'x-millrace-on-disconnect']) {
      await expectRefusal({ body: chat(), headers: { [name]: 'urgent' } }, invalid(name))
    }
  })
})

describe('a path or query that cannot be meant', () => {
  const noRun = { status: 404, code: 'response_not_found' }
  const noRoute = { status: 404, code: 'route_not_found' }

  test.each([
    ['/v1/jobs/%00', noRun],
    ['/v1/jobs/..;/models', noRoute],
    ['/v1/jobs/x;y', noRun],
    ['/v1/jobs/..%2f..%2fetc', noRun],
    ['//v1//jobs', noRoute],
    ['/v1/chat/completions/mr:run:x', noRun],
    ['/v1/models/upstream%2fa%00', noModel],
    ['/v1/jobs?limit=1&limit=2', invalid('limit')],
    ['/v1/jobs?limit=1e9', invalid('limit')],
    ['/v1/jobs?limit=0', invalid('limit')],
    ['/v1/jobs?after=%25%25', invalid('after')],
    ['/v1/jobs?status=__proto__', invalid('status')],
    ['/v1/chat/completions?order=random()', invalid('order')],
  ])('%s', async (path, expected) => {
    await expectRefusal({ path }, expected)
  })

  test('an id without end', async () => {
    await expectRefusal({ path: `/v1/jobs/${'a'.repeat(600)}` }, noRoute)
  })

  test('a query cannot reach into prototypes', async () => {
    for (const query of ['a[__proto__][x]=1', '__proto__=1', '__proto__[limit]=1']) {
      expect(await call({ path: `/v1/jobs?${query}` })).toMatchObject({ status: 200 })
    }
  })

  test('a cursor that is no number of a frame', async () => {
    const created = await call({ body: chat({ stream: true }) })
    const path = `/v1/chat/completions/${created.headers.get('x-millrace-run')}?stream=true`
    for (const cursor of ['1.5', '1e3', '-2', '99999999999999999999', 'x', '', '0&starting_after=1']) {
      await expectRefusal({ path: `${path}&starting_after=${cursor}` }, invalid('starting_after'))
    }
    await expectRefusal({ path: path.replace('true', 'maybe') }, invalid('stream'))
    expect(await call({ path: `${path}&starting_after=999999999` })).toMatchObject({
      status: 200,
      body: 'data: [DONE]\n\n',
    })
  })

  test('a method cannot be overridden', async () => {
    const headers = { 'x-http-method-override': 'DELETE', 'x-http-method': 'DELETE' }
    const created = await call({ body: chat() })
    const path = `/v1/chat/completions/${created.headers.get('x-millrace-run')}`
    expect(await call({ path: `${path}?_method=DELETE`, headers })).toMatchObject({ status: 200 })
    expect(await call({ path })).toMatchObject({ status: 200 })
    await expectRefusal({ path, method: 'PUT', body: '{}' }, noRoute)
  })
})

describe('what is hardly HTTP', () => {
  const own = 'host: x\r\nauthorization: Bearer sk-first\r\nconnection: close\r\n'
  const post = `POST /v1/chat/completions HTTP/1.1\r\n${own}content-type: application/json\r\n`
  const get = `GET /v1/models HTTP/1.1\r\n${own}`
  const many = Array.from({ length: 2_000 }, (_, at) => `x-${at}: 1\r\n`).join('')

  test.each([
    [
      'two ways to tell the length',
      `${post}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['two lengths', `${post}content-length: 5\r\ncontent-length: 6\r\n\r\nhello!`, 400],
    ['a length of -1', `${post}content-length: -1\r\n\r\n`, 400],
    ['a header of 64 KB', `${get}x-big: ${'a'.repeat(65_536)}\r\n\r\n`, 431],
    ['2,000 headers', `${get}${many}\r\n`, 431],
    ['a line break in a header', `${get}x-a: b\nevil\r\n\r\n`, 400],
    ['a method of its own', `BREW /v1/models HTTP/1.1\r\n${own}\r\n`, 400],
    ['a version of its own', `GET /v1/models HTTP/9.1\r\n${own}\r\n`, 400],
    ['a TLS greeting', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400],
    ['half an escape in the path', `GET /v1/jobs/%zz HTTP/1.1\r\n${own}\r\n`, 400],
  ])('%s', async (_name, bytes, status) => {
    const answer = await sendRaw(gateway().url, bytes)
    expectError(
      { ...answer, contentType: /^content-type: (.*)$/im.exec(answer.headers)?.[1] ?? null },
      { status, code: 'invalid_request' },
    )
  })

  test('TRACE is not answered with what was sent', async () => {
    const answer = await sendRaw(gateway().url, `TRACE /v1/models HTTP/1.1\r\n${own}\r\n`)
    expect(answer.status).toBe(404)
    expect(answer.headers + answer.body).not.toContain('sk-first')
  })

  test('CONNECT opens no way to other hosts', async () => {
    const answer = await sendRaw(gateway().url, `CONNECT 169.254.169.254:80 HTTP/1.1\r\n${own}\r\n`)
    expect(answer.status).toBe(0)
  })

  test('dots in a path lead nowhere', async () => {
    const answer = await sendRaw(gateway().url, `GET /v1/jobs/%2e%2e/models HTTP/1.1\r\n${own}\r\n`)
    expect(answer.status).toBe(404)
  })

  test('1 GB that is declared is refused before it is sent', async () => {
    const answer = await sendRaw(gateway().url, `${post}content-length: 1073741824\r\n\r\n{`)
    expect(answer.status).toBe(413)
  })
})

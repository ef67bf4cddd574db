import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import OpenAI, { BadRequestError, NotFoundError, toFile } from 'openai'
import { beforeAll, describe, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'
import { callApi, expectError } from '../support/http.ts'
import { startS3, type S3TestServer } from '../support/s3.ts'

let s3: S3TestServer
beforeAll(async () => {
  s3 = await startS3()
  return () => s3.close()
})
const gateway = useGateway(() => ({
  workers: 0,
  s3,
  config: {
    files: { max_bytes: 20_000_000 },
    keys: [
      { key: 'sk-first', tenant: 'first' },
      { key: 'sk-second', tenant: 'second' },
      { key: 'sk-lists', tenant: 'lists' },
    ],
  },
}))
const clientOf = (apiKey = 'sk-first') =>
  new OpenAI({ apiKey, baseURL: `${gateway().url}/v1`, maxRetries: 0 })
const upload = (text: string, name = 'input.jsonl', purpose: OpenAI.FilePurpose = 'user_data') =>
  toFile(Buffer.from(text), name).then((file) => clientOf().files.create({ file, purpose }))

async function postForm(form: FormData | string, headers: Record<string, string> = {}) {
  const response = await fetch(`${gateway().url}/v1/files`, {
    method: 'POST',
    body: form,
    headers: { authorization: 'Bearer sk-first', ...headers },
  })
  return {
    status: response.status,
    contentType: response.headers.get('content-type'),
    body: await response.text(),
  }
}

function formOf(fields: Record<string, string>, file: string | null = 'some text'): FormData {
  const form = new FormData()
  if (file !== null) form.append('file', new Blob([file]), 'a.txt')
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  return form
}

describe('the openai package', () => {
  test('uploads a file, finds it, reads it and deletes it', async () => {
    const client = clientOf()
    const created = await upload('{"a":1}\n', 'lines.jsonl', 'batch')
    expect(created).toMatchObject({
      id: expect.stringMatching(/^file-[0-9a-f]{32}$/),
      object: 'file',
      bytes: 8,
      filename: 'lines.jsonl',
      purpose: 'batch',
      status: 'processed',
    })
    expect(created.expires_at! - created.created_at).toBe(30 * 24 * 3600)
    expect(await client.files.retrieve(created.id)).toEqual(created)
    expect(await client.files.waitForProcessing(created.id)).toEqual(created)
    const content = await client.files.content(created.id)
    expect(await content.text()).toBe('{"a":1}\n')
    expect(Object.fromEntries(content.headers)).toMatchObject({
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'content-disposition': "attachment; filename*=UTF-8''lines.jsonl",
      etag: `"${createHash('sha256').update('{"a":1}\n').digest('hex')}"`,
    })
    expect(await client.files.delete(created.id)).toEqual({ id: created.id, object: 'file', deleted: true })
    await expect(client.files.retrieve(created.id)).rejects.toThrow(NotFoundError)
    await expect(client.files.content(created.id)).rejects.toThrow(NotFoundError)
    expect([...s3.objects.keys()].filter((key) => key.includes(created.id))).toEqual([])
  })

  test('gives a file the life that it asks for', async () => {
    const file = await toFile(Buffer.from('x'), 'x')
    const expires_after = { anchor: 'created_at' as const, seconds: 3_600 }
    const created = await clientOf().files.create({ file, purpose: 'batch', expires_after })
    expect(created.expires_at! - created.created_at).toBe(3_600)
    const wrong = { anchor: 'created_at' as const, seconds: 3_599 }
    await expect(clientOf().files.create({ file, purpose: 'batch', expires_after: wrong })).rejects.toThrow(
      BadRequestError,
    )
  })

  test('pages through its files, newest first, and filters them', async () => {
    const client = clientOf('sk-lists')
    const ids: string[] = []
    for (let index = 0; index < 25; index += 1) {
      const file = await toFile(Buffer.from(String(index)), `${index}.txt`)
      ids.push((await client.files.create({ file, purpose: index % 5 === 0 ? 'vision' : 'evals' })).id)
    }
    const list = async (query: OpenAI.FileListParams) => {
      const found: string[] = []
      for await (const { id } of client.files.list(query)) found.push(id)
      return found
    }
    const vision = ids.filter((_id, index) => index % 5 === 0)
    expect(await list({})).toEqual(ids.toReversed())
    expect(await list({ limit: 7, order: 'asc' })).toEqual(ids)
    expect(await list({ limit: 2, purpose: 'vision' })).toEqual(vision.toReversed())
    const page = await client.files.list({ limit: 2, purpose: 'vision', after: vision[2]! })
    expect(page.data.map(({ id }) => id)).toEqual([vision[1], vision[0]])
    expect(page.has_more).toBe(false)

    await gateway().redis.flush()
    expect(await list({ limit: 10 })).toEqual(ids.toReversed())
    await client.files.delete(ids[24]!)
    expect(await list({ limit: 10 })).toEqual(ids.slice(0, 24).toReversed())
  })

  test('uploads twelve megabytes and reads any part of them', async () => {
    const client = clientOf()
    const body = Buffer.alloc(12_345_678, 'millrace')
    const { id, bytes } = await client.files.create({ file: await toFile(body, 'big'), purpose: 'user_data' })
    expect(bytes).toBe(body.length)
    expect(Buffer.from(await (await client.files.content(id)).arrayBuffer()).equals(body)).toBe(true)
    const read = async (range: string) => {
      const response = await fetch(`${gateway().url}/v1/files/${id}/content`, {
        headers: { authorization: 'Bearer sk-first', range },
      })
      return [response.status, response.headers.get('content-range'), await response.text()]
    }
    expect(await read('bytes=3-10')).toEqual([206, 'bytes 3-10/12345678', 'lracemil'])
    expect(await read('bytes=12345675-')).toEqual([
      206,
      'bytes 12345675-12345677/12345678',
      String(body.subarray(12345675)),
    ])
    expect(await read('bytes=-4')).toEqual([
      206,
      'bytes 12345674-12345677/12345678',
      String(body.subarray(-4)),
    ])
    expect(await read('bytes=12345678-')).toEqual([416, 'bytes */12345678', ''])
    expect((await read('bytes=0-1,5-6'))[0]).toBe(200)
  })
})

test('a file is there for its tenant alone', async () => {
  const { id } = await upload('secret')
  const unknown = await callApi(`${gateway().url}/v1/files/${id.replace(/.{5}$/, '00000')}`, {
    headers: { authorization: 'Bearer sk-first' },
  })
  for (const [method, path] of [
    ['GET', ''],
    ['GET', '/content'],
    ['DELETE', ''],
  ] as const) {
    const foreign = await callApi(`${gateway().url}/v1/files/${id}${path}`, {
      method,
      headers: { authorization: 'Bearer sk-second' },
    })
    expect(foreign.status).toBe(404)
    expect(foreign.json.error.code).toBe(unknown.json.error.code)
  }
  expect((await clientOf('sk-second').files.list()).data).toEqual([])
  expect(await (await clientOf().files.content(id)).text()).toBe('secret')
})

describe('what is refused', () => {
  test.each([
    ['no purpose', () => formOf({}), 400, 'invalid_request', 'purpose'],
    ['an unknown purpose', () => formOf({ purpose: 'batch_output' }), 400, 'invalid_request', 'purpose'],
    ['no file', () => formOf({ purpose: 'batch' }, null), 400, 'invalid_request', 'file'],
    ['an empty file', () => formOf({ purpose: 'batch' }, ''), 400, 'invalid_request', 'file'],
    [
      'a life that is too long',
      () =>
        formOf({ purpose: 'batch', 'expires_after[anchor]': 'created_at', 'expires_after[seconds]': '1e9' }),
      400,
      'invalid_request',
      'expires_after[seconds]',
    ],
    [
      'a life from another moment on',
      () => formOf({ purpose: 'batch', 'expires_after[anchor]': 'now', 'expires_after[seconds]': '3600' }),
      400,
      'invalid_request',
      'expires_after[anchor]',
    ],
    [
      'a field that is too long',
      () => formOf({ purpose: 'x'.repeat(5_000) }),
      400,
      'invalid_request',
      undefined,
    ],
    [
      'too many fields',
      () => formOf(Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`f${index}`, 'x']))),
      400,
      'invalid_request',
      undefined,
    ],
  ])('%s', async (_what, makeForm, status, code, param) => {
    const before = s3.objects.size
    expectError(await postForm(makeForm()), { status, code, ...(param !== undefined && { param }) })
    expect(s3.objects.size).toBe(before)
  })

  test('a file under another name', async () => {
    const form = new FormData()
    form.append('purpose', 'batch')
    form.append('upload', new Blob(['x']), 'x')
    expectError(await postForm(form), { status: 400, code: 'invalid_request' })
  })

  test('two files', async () => {
    const form = formOf({ purpose: 'batch' })
    form.append('file', new Blob(['x']), 'x')
    expectError(await postForm(form), { status: 400, code: 'invalid_request' })
  })

  test.each([
    ['JSON', '{}', { 'content-type': 'application/json' }, 415, 'unsupported_media_type'],
    ['no boundary', 'x', { 'content-type': 'multipart/form-data' }, 400, 'invalid_request'],
    ['what is no form', 'x', { 'content-type': 'multipart/form-data; boundary=a' }, 400, 'invalid_request'],
    [
      'half a form',
      '--a\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\nhalf',
      { 'content-type': 'multipart/form-data; boundary=a' },
      400,
      'invalid_request',
    ],
  ])('%s', async (_what, body, headers, status, code) => {
    const before = s3.objects.size
    expectError(await postForm(body, headers), { status, code })
    expect(s3.objects.size).toBe(before)
  })

  test('a file that is too large, also when its length is not told', async () => {
    const big = formOf({ purpose: 'batch' }, 'x'.repeat(30_000_000))
    expectError(await postForm(big), { status: 413, code: 'request_too_large', param: 'file' })
    const file = new ReadableStream({
      start(controller) {
        controller.enqueue(
          Buffer.from('--a\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n'),
        )
        for (let index = 0; index < 30; index += 1) controller.enqueue(Buffer.alloc(1_000_000))
        controller.close()
      },
    })
    const response = await fetch(`${gateway().url}/v1/files`, {
      method: 'POST',
      body: file,
      duplex: 'half',
      headers: { authorization: 'Bearer sk-first', 'content-type': 'multipart/form-data; boundary=a' },
    } as RequestInit)
    expect(response.status).toBe(413)
    expect(s3.uploads.size).toBe(0)
  })

  test.each(['file-', 'file-../../../etc', 'file-%2e%2e', 'x'.repeat(400), 'batch_0190'])(
    'the id %s',
    async (id) => {
      for (const path of [
        `/v1/files/${encodeURIComponent(id)}`,
        `/v1/files/${encodeURIComponent(id)}/content`,
      ]) {
        const answer = await callApi(gateway().url + path, { headers: { authorization: 'Bearer sk-first' } })
        expect(answer.status).toBe(404)
      }
    },
  )

  test.each(['limit=0', 'limit=10001', 'limit=x', 'order=up', 'after=nobody', 'purpose=a&purpose=b'])(
    'a list with %s',
    async (query) => {
      const answer = await callApi(`${gateway().url}/v1/files?${query}`, {
        headers: { authorization: 'Bearer sk-first' },
      })
      expect(answer.status).toBe(400)
      expect(answer.json.error.param).toBe(query.split('=')[0])
    },
  )
})

test('an upload whose client leaves stores nothing', async () => {
  const { hostname, port } = new URL(gateway().url)
  const before = s3.objects.size
  const socket = connect(Number(port), hostname)
  socket.write(
    [
      'POST /v1/files HTTP/1.1',
      'host: a',
      'authorization: Bearer sk-first',
      'content-type: multipart/form-data; boundary=a',
      'content-length: 15000000',
      '',
      '--a\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n',
    ].join('\r\n'),
  )
  socket.write(Buffer.alloc(10_000_000))
  await expect.poll(() => s3.uploads.size, { timeout: 10_000 }).toBe(1)
  socket.destroy()
  await expect.poll(() => s3.uploads.size, { timeout: 10_000 }).toBe(0)
  expect(s3.objects.size).toBe(before)
})

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Redis } from 'ioredis'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { simulateSpeech } from '#libs/providers'
import { eventually, useGateway } from '../support/gateway.ts'
import { expectError } from '../support/http.ts'

const bodyLimitBytes = 100_000
/** No UTF-8, and what would end a line or a field if it were read as text. */
const sound = Buffer.from([
  0xff, 0xfb, 0x00, 0x0d, 0x0a, 0x2d, 0x2d, 0x0d, 0x0a, 0x0d, 0x0a, 0xc3, 0x28, 0x1a,
])

let upstream: Server
let redis: Redis
/** What the upstream got last, and what it is to answer. */
let got: { url: string; headers: Record<string, unknown>; body: Buffer }
let answer: { status?: number; type?: string; body: Buffer }

beforeAll(async () => {
  upstream = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.once('end', () => {
      got = { url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) }
      response.writeHead(
        answer.status ?? 200,
        answer.type === undefined ? {} : { 'content-type': answer.type },
      )
      response.end(answer.body)
    })
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
})

const gateway = useGateway(() => ({
  config: {
    server: { body_limit_bytes: bodyLimitBytes },
    providers: {
      sim: { type: 'simulator', base_url: undefined },
      echo: { base_url: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1` },
    },
  },
}))

beforeAll(() => {
  redis = new Redis(gateway().redis.url)
})

beforeEach(() => {
  answer = { type: 'audio/mpeg', body: sound }
})

afterAll(async () => {
  await redis.quit()
  upstream.close()
  upstream.closeAllConnections()
})

function client(): OpenAI {
  return new OpenAI({ apiKey: 'none', baseURL: `${gateway().url}/v1`, maxRetries: 0 })
}

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer())
}

/** Takes the run out of Redis, as time would, once the archive has it. */
async function forget(rid: string): Promise<void> {
  await eventually('the run is archived', async () => (await redis.zscore('mr:outbox', rid)) === null)
  await redis.del(`mr:run:${rid}`, `mr:log:${rid}`)
}

async function postForm(
  body: string | Buffer,
  headers: Record<string, string> = {},
  path = '/v1/audio/transcriptions',
): Promise<Response> {
  return fetch(gateway().url + path, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b', ...headers },
    body: new Uint8Array(Buffer.from(body)),
  })
}

function toForm(parts: readonly string[], boundary = 'b'): string {
  const encoded = parts.map((part) => `--${boundary}\r\nContent-Disposition: form-data; ${part}\r\n`)
  return `${encoded.join('')}--${boundary}--\r\n`
}

const file = 'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF'
const model = 'name="model"\r\n\r\nsim/lorem'

describe('speech', () => {
  test('of both simulators is the same WAV file for the same text', async () => {
    for (const name of ['sim/lorem', 'upstream/lorem']) {
      const response = await client().audio.speech.create({
        model: name,
        voice: 'alloy',
        input: 'Hello there.',
      })

      expect(response.headers.get('content-type')).toBe('audio/wav')
      expect(await bytesOf(response)).toEqual(simulateSpeech({ input: 'Hello there.' }).bytes)
    }
  })

  test('comes byte for byte and under the type that the provider gave it, and again when only the archive has it', async () => {
    const response = await client().audio.speech.create({ model: 'echo/tts', voice: 'ash', input: 'Hi' })
    const location = response.headers.get('location') ?? ''
    const result = (): Promise<Response> => fetch(`${gateway().url}${location}/result`)

    expect(location).toMatch(/^\/v1\/jobs\/run_/)
    expect(await bytesOf(response)).toEqual(sound)
    expect(JSON.parse(got.body.toString())).toEqual({ model: 'tts', voice: 'ash', input: 'Hi' })
    for (const kept of ['Redis', 'the archive']) {
      if (kept === 'the archive') await forget(location.slice('/v1/jobs/'.length))
      const again = await result()
      expect(again.headers.get('content-type'), kept).toBe('audio/mpeg')
      expect(again.headers.get('x-content-type-options'), kept).toBe('nosniff')
      expect(await bytesOf(again), kept).toEqual(sound)
      const job = await fetch(gateway().url + location)
      expect(await job.json(), kept).toMatchObject({
        status: 'completed',
        response: {
          status_code: 200,
          body: { content_type: 'audio/mpeg', base64: sound.toString('base64') },
        },
      })
    }
  })

  test('can be asked for later', async () => {
    const accepted = await client().audio.speech.create(
      { model: 'echo/tts', voice: 'ash', input: 'Hi' },
      { headers: { prefer: 'respond-async, wait=10' } },
    )
    expect(accepted.status).toBe(202)
    const result = await fetch(`${gateway().url}${accepted.headers.get('location')}/result`)
    expect(await bytesOf(result)).toEqual(sound)
  })

  test('may be empty, and of no type', async () => {
    answer = { body: Buffer.alloc(0) }
    const response = await client().audio.speech.create({ model: 'echo/tts', voice: 'ash', input: 'Hi' })
    const location = response.headers.get('location') ?? ''

    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect(await bytesOf(response)).toHaveLength(0)
    await forget(location.slice('/v1/jobs/'.length))
    const again = await fetch(`${gateway().url}${location}/result`)
    expect([again.status, await bytesOf(again)]).toEqual([200, Buffer.alloc(0)])
  })

  test('is not what a proxy says in HTML, nor JSON, nor a refusal of the provider', async () => {
    const speak = () => client().audio.speech.create({ model: 'echo/tts', voice: 'ash', input: 'Hi' })

    answer = { type: 'text/html', body: Buffer.from('<h1>Log in</h1>') }
    await expect(speak()).rejects.toMatchObject({ status: 502, code: 'upstream_protocol_error' })
    answer = { type: 'application/json', body: Buffer.from('{"error":{"message":"No such voice."}}') }
    await expect(speak()).rejects.toMatchObject({
      status: 502,
      message: expect.stringContaining('No such voice.'),
    })
    answer = { type: 'application/json', body: Buffer.from('{"audio":"aGk="}') }
    await expect(speak()).rejects.toMatchObject({ status: 502, code: 'upstream_protocol_error' })
    answer = { ...answer, status: 400, body: Buffer.from('{"error":{"message":"No.","param":"voice"}}') }
    await expect(speak()).rejects.toMatchObject({ status: 400, param: 'voice' })
  })

  test.each([
    [{ input: 'Hi' }, 'model'],
    [{ model: 'sim/lorem' }, 'input'],
    [{ model: 'sim/lorem', input: 'Hi', stream_format: 'sse' }, 'stream_format'],
  ])('is refused for %j', async (body, param) => {
    const response = await fetch(`${gateway().url}/openai/v1/audio/speech`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const contentType = response.headers.get('content-type')
    const text = await response.text()
    expectError(
      { status: response.status, contentType, body: text },
      { status: 400, code: 'invalid_request', param },
    )
  })
})

describe('a transcription', () => {
  test('of both simulators is the same for the same file, as JSON and as text', async () => {
    const texts: string[] = []
    for (const name of ['sim/lorem', 'upstream/lorem']) {
      const { audio } = client()
      const asked = { model: name, file: await toFile(sound, 'a.mp3') }
      const { text, usage } = await audio.transcriptions.create(asked)
      texts.push(text, (await audio.translations.create(asked)).text)
      texts.push(String(await audio.transcriptions.create({ ...asked, response_format: 'text' })).trimEnd())
      expect(usage).toMatchObject({ type: 'tokens', output_tokens: 12 })
    }
    expect(new Set(texts).size).toBe(1)
    expect(texts[0]).toMatch(/^Lorem ipsum/)
  })

  test('passes every byte of the form on but the name of the model', async () => {
    answer = { type: 'application/json', body: Buffer.from('{"text":"Hallo.","x":1.0}') }
    const before = `--b\r\nX-Other: 1\r\ncontent-disposition: form-data; filename="ü.wav"; name=file\r\n\r\n`
    const between = `\r\n--b\r\nContent-Disposition: form-data; name="x_unknown[]"\r\n\r\n\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n`
    const after = `\r\n--b\r\nContent-Disposition: form-data; name="x_unknown[]"\r\n\r\n 2 \r\n--b--\r\nbehind`
    const form = (name: string): Buffer =>
      Buffer.concat([Buffer.from(before), sound, Buffer.from(between + name + after)])

    for (const [path, name] of [
      ['/v1', 'echo/wörter'],
      ['/openai/v1', 'echo/wörter'],
      ['/openai', 'echo/wörter'],
      ['/openai/deployments/echo%2Fw%C3%B6rter', 'another'],
    ] as const) {
      const response = await postForm(form(name), {}, `${path}/audio/transcriptions`)
      expect(await response.text()).toBe('{"text":"Hallo.","x":1.0}')
      expect(got.url).toBe('/v1/audio/transcriptions')
      expect(got.headers['content-type']).toBe('multipart/form-data; boundary=b')
      expect(got.body).toEqual(form('wörter'))
    }
  })

  test('can be asked for later, and is read again when only the archive has it', async () => {
    answer = { type: 'text/vtt; charset=utf-8', body: Buffer.from('WEBVTT\n\nHallo.\n') }
    const accepted = await client()
      .audio.transcriptions.create(
        { model: 'echo/whisper', file: await toFile(sound, 'a.mp3'), response_format: 'vtt' },
        { headers: { prefer: 'respond-async, wait=10' } },
      )
      .asResponse()
    const location = accepted.headers.get('location') ?? ''
    await forget(location.slice('/v1/jobs/'.length))

    expect(accepted.status).toBe(202)
    const result = await fetch(`${gateway().url}${location}/result`)
    expect(result.headers.get('content-type')).toBe('text/vtt; charset=utf-8')
    expect(await result.text()).toBe('WEBVTT\n\nHallo.\n')
  })

  test('is the same run under the same idempotency key, though the boundary is another', async () => {
    const headers = { 'idempotency-key': 'audio-1' }
    const first = await postForm(toForm([model, file]), headers)
    const second = await postForm(toForm([model, file], 'c'), {
      ...headers,
      'content-type': 'multipart/form-data; boundary=c',
    })
    const third = await postForm(toForm([model, `${file}!`]), headers)

    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(second.headers.get('x-millrace-run')).toBe(first.headers.get('x-millrace-run'))
    expect(third.status).toBe(422)
  })

  const json = { 'content-type': 'application/json' }
  const invalid = { status: 400, code: 'invalid_request' }
  const unsupported = { status: 415, code: 'unsupported_media_type' }
  test.each([
    ['no model', toForm([file]), {}, { ...invalid, param: 'model' }],
    ['two models', toForm([model, model, file]), {}, { ...invalid, param: 'model' }],
    ['an empty model', toForm(['name="model"\r\n\r\n', file]), {}, { ...invalid, param: 'model' }],
    ['no file', toForm([model]), {}, { ...invalid, param: 'file' }],
    ['a file that is a text', toForm([model, 'name="file"\r\n\r\nRIFF']), {}, { ...invalid, param: 'file' }],
    ['a stream', toForm([model, file, 'name="stream"\r\n\r\ntrue']), {}, { ...invalid, param: 'stream' }],
    ['a broken boundary', toForm([model, file]).replace('--b--', ''), {}, invalid],
    ['no body', '', {}, invalid],
    [
      'a fault of the model',
      toForm([model.replace('lorem', 'x'), file]),
      {},
      { status: 404, code: 'model_not_found', param: 'model' },
    ],
    ['JSON', '{"model":"sim/lorem","type":"x","bytes":"x"}', json, unsupported],
    ['a compressed body', toForm([model, file]), { 'content-encoding': 'gzip' }, unsupported],
    [
      'a file that is too large',
      toForm([model, file + 'x'.repeat(bodyLimitBytes)]),
      {},
      { status: 413, code: 'request_too_large' },
    ],
  ])('is refused for %s', async (_, body, headers, expected) => {
    const response = await postForm(body, headers)
    const contentType = response.headers.get('content-type')
    expectError({ status: response.status, contentType, body: await response.text() }, expected)
  })
})

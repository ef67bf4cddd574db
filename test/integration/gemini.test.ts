import {
  ApiError,
  FunctionCallingConfigMode,
  GoogleGenAI,
  type GenerateContentResponse,
  Type,
} from '@google/genai'
import { describe, expect, it } from 'vitest'
import { eventually } from '../support/gateway.ts'
import { key, model, upstreamKey, useGeminiGateway } from '../support/gemini-gateway.ts'
import { readFixture } from '../support/gemini-upstream.ts'

const { gateway, upstream } = useGeminiGateway()
const contents = 'Say something.'
const pixel =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

const client = (mount = ''): GoogleGenAI =>
  new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: gateway().url + mount } })

async function readAll(
  stream: Promise<AsyncIterable<GenerateContentResponse>>,
): Promise<GenerateContentResponse[]> {
  const chunks: GenerateContentResponse[] = []
  for await (const chunk of await stream) chunks.push(chunk)
  return chunks
}

async function errorOf(promise: Promise<unknown>): Promise<ApiError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (outcome instanceof ApiError) return outcome
  throw new Error('expected an ApiError', { cause: outcome })
}

/** What the gateway has said, which Google's client puts into the message as it came. */
const bodyOf = ({ message }: ApiError): unknown => JSON.parse(message.slice(message.indexOf('{')))

describe('Google’s client before a Gemini upstream', () => {
  it('gets a whole answer, under our id and else as the provider wrote it', async () => {
    upstream().answers.push('answer.json')
    const answer = await client().models.generateContent({ model, contents })
    expect(answer.text).toBe('The quick brown fox.')
    expect(answer.responseId).toMatch(/^gen_[0-9a-f]{32}$/)
    expect(answer.modelVersion).toBe('gemini-2.5-flash')
    expect(answer.usageMetadata?.totalTokenCount).toBe(13)
    expect(upstream().calls[0]).toMatchObject({ path: '/v1beta/models/gemini-2.5-flash:generateContent' })
    expect(upstream().calls[0]?.headers['x-goog-api-key']).toBe(upstreamKey)
  })

  it('passes what nobody knows through, in both directions', async () => {
    upstream().answers.push('answer.json')
    const body = `{"contents":[{"parts":[{"text":"Hi","partOfNextYear":1.0}]}], "new_field": {"a": 12345678901234567890}}`
    const response = await fetch(`${gateway().url}/v1beta/models/${model}:generateContent?key=${key}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    const rid = response.headers.get('x-millrace-run')
    expect(response.headers.get('location')).toBe(`/v1/jobs/${rid}`)
    expect(upstream().calls[0]?.body).toBe(body)
    const fixture = await readFixture('answer.json')
    expect(await response.text()).toBe(fixture.replace('"responseId": "YW5zd2Vy"', `"responseId":"${rid}"`))
  })

  it.each(['', '/genai'])('streams below "%s" to the last chunk', async (mount) => {
    upstream().answers.push('stream-text.sse')
    const chunks = await readAll(client(mount).models.generateContentStream({ model, contents }))
    expect(chunks.map((chunk) => chunk.text)).toEqual(['The quick', ' brown "fox" – naïve\n', 'jumps.'])
    expect(new Set(chunks.map((chunk) => chunk.responseId)).size).toBe(1)
    expect(chunks[0]?.responseId).toMatch(/^gen_/)
    expect(chunks.at(-1)).toMatchObject({
      candidates: [{ finishReason: 'STOP' }],
      usageMetadata: { totalTokenCount: 29 },
    })
    expect(upstream().calls[0]?.path).toBe('/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse')
  })

  it('keeps the thoughts and signatures of a chat, and sends them back as they were', async () => {
    const chat = client().chats.create({
      model,
      config: { tools: [{ functionDeclarations: [{ name: 'get_weather' }] }] },
    })
    upstream().answers.push('stream-tools.sse', 'stream-text.sse')
    await readAll(chat.sendMessageStream({ message: 'Weather?' }))
    await readAll(
      chat.sendMessageStream({
        message: [{ functionResponse: { name: 'get_weather', response: { degrees: 9 } } }],
      }),
    )
    expect(upstream().calls[1]?.body).toContain('"thoughtSignature":"EqQBCqEBAXLI2nxFirstSignature=="')
    expect(chat.getHistory()).toHaveLength(9)
  })

  it('gets an upstream error with its status, its own words and no retry', async () => {
    upstream().answers.push('error-quota.json')
    const error = await errorOf(
      client().models.generateContent({ model: 'limited/gemini-2.5-pro', contents }),
    )
    expect(error.status).toBe(429)
    expect(bodyOf(error)).toMatchObject({
      error: {
        code: 429,
        status: 'RESOURCE_EXHAUSTED',
        message: expect.stringContaining('exceeded your current quota'),
        details: [{ reason: 'RATE_LIMIT_EXCEEDED' }, { retryDelay: expect.stringMatching(/^37(\.\d+)?s$/) }],
      },
    })
  })

  it('gets the error of a stream that fails in its midst', async () => {
    const text = (await readFixture('stream-text.sse')).split('\n\n', 1)[0]
    upstream().answers.push((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(
        `${text}\n\ndata: {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}\n\n`,
      )
    })
    const texts: unknown[] = []
    const reading = (async () => {
      for await (const chunk of await client().models.generateContentStream({ model, contents })) {
        texts.push(chunk.text)
      }
    })()
    const error = await errorOf(reading)
    expect(texts).toEqual(['The quick'])
    expect(bodyOf(error)).toMatchObject({
      error: { message: 'The model is overloaded.', status: 'UNAVAILABLE' },
    })
  })

  it('gets a blocked prompt as the provider tells it', async () => {
    upstream().answers.push('stream-blocked.sse')
    const chunks = await readAll(client().models.generateContentStream({ model, contents }))
    expect(chunks).toMatchObject([{ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } }])
  })

  it('counts tokens where the provider can', async () => {
    upstream().answers.push((response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"totalTokens": 31}')
    })
    const { totalTokens } = await client().models.countTokens({ model, contents })
    expect(totalTokens).toBe(31)
    expect(upstream().calls[0]?.path).toBe('/v1beta/models/gemini-2.5-flash:countTokens')
  })

  it('can leave: the run goes on, and is read again as a job', async () => {
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
    const fixture = await readFixture('stream-text.sse')
    const first = fixture.indexOf('\n\n') + 2
    upstream().answers.push((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(fixture.slice(0, first))
      void mayEnd.then(() => response.end(fixture.slice(first)))
    })
    const abort = new AbortController()
    const stream = await client().models.generateContentStream({
      model,
      contents,
      config: { abortSignal: abort.signal },
    })
    const { value } = (await stream.next()) as { value: GenerateContentResponse }
    abort.abort()
    await expect(stream.next()).rejects.toThrow(/abort/i)
    end()
    const job = `${gateway().url}/v1/jobs/${value.responseId}`
    const headers = { authorization: `Bearer ${key}` }
    await eventually('the run has ended', async () => {
      const { status } = (await (await fetch(job, { headers })).json()) as { status: string }
      return status === 'completed'
    })
    const events = await (await fetch(`${job}/events?starting_after=0`, { headers })).text()
    expect(events.split('\n\n').map((event) => event.slice(0, 20))).toEqual([
      'data: {"candidates":',
      'data: {"candidates":',
      '',
    ])
    expect(events).not.toMatch(/^(?:id|event):|The quick|\[DONE\]/m)
    const result = (await (await fetch(`${job}/result`, { headers })).json()) as GenerateContentResponse
    expect(result.candidates?.[0]?.content?.parts).toEqual([
      { text: 'The quick brown "fox" – naïve\njumps.' },
    ])
  })
})

describe('Google’s client before another provider', () => {
  it('gets an answer and a stream in its own words', async () => {
    const answer = await client().models.generateContent({ model: 'sim/lorem', contents })
    expect(answer.text).toMatch(/\w+/)
    expect(answer.candidates?.[0]?.finishReason).toBe('STOP')
    const chunks = await readAll(client().models.generateContentStream({ model: 'sim/lorem', contents }))
    expect(chunks.length).toBeGreaterThan(2)
    expect(chunks.map((chunk) => chunk.text).join('')).toBe(answer.text)
    expect(chunks.at(-1)?.usageMetadata?.totalTokenCount).toBeGreaterThan(0)
  })

  it('calls tools, and answers what they said', async () => {
    const chat = client().chats.create({
      model: 'sim/lorem',
      config: {
        tools: [
          {
            functionDeclarations: [
              {
                name: 'get_weather',
                parameters: {
                  type: Type.OBJECT,
                  properties: { city: { type: Type.STRING } },
                  required: ['city'],
                },
              },
            ],
          },
        ],
        toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.AUTO } },
      },
    })
    const asked = await chat.sendMessage({ message: 'How is the weather?' })
    const [call] = asked.functionCalls ?? []
    expect(call).toMatchObject({ name: 'get_weather', args: { city: expect.any(String) } })
    const told = await chat.sendMessage({
      message: { functionResponse: { id: call?.id, name: 'get_weather', response: { output: 'rain' } } },
    })
    expect(told.text).toMatch(/\w+/)
  })

  it('gets structured output, and may send pictures', async () => {
    const { text } = await client().models.generateContent({
      model: 'sim/lorem',
      contents: [{ text: 'What is it?' }, { inlineData: { mimeType: 'image/png', data: pixel } }],
      config: {
        responseMimeType: 'application/json',
        responseSchema: {
          type: Type.OBJECT,
          properties: { name: { type: Type.STRING }, count: { type: Type.INTEGER } },
          required: ['name', 'count'],
        },
      },
    })
    expect(JSON.parse(text ?? '')).toEqual({ name: expect.any(String), count: expect.any(Number) })
  })

  it('gets an estimate of tokens, which says that it is one', async () => {
    const response = await fetch(`${gateway().url}/v1/models/sim%2Florem:countTokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-goog-api-key': key },
      body: JSON.stringify({ contents: [{ parts: [{ text: 'a'.repeat(400) }] }] }),
    })
    expect(response.headers.get('x-millrace-token-count')).toBe('estimate')
    expect(await response.json()).toEqual({ totalTokens: 104 })
  })
})

describe('what is wrong is told in Google’s envelope', () => {
  const post = (path: string, body = '{"contents":[{"parts":[{"text":"Hi"}]}]}', headers = {}) =>
    fetch(gateway().url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-goog-api-key': key, ...headers },
      body,
    })

  it.each([
    [
      401,
      'UNAUTHENTICATED',
      `/v1beta/models/${model}:generateContent`,
      undefined,
      { 'x-goog-api-key': 'no' },
    ],
    [404, 'NOT_FOUND', '/v1beta/models/nothing:generateContent', undefined, {}],
    [404, 'NOT_FOUND', `/v1beta/models/${model}:paint`, undefined, {}],
    [400, 'INVALID_ARGUMENT', `/v1beta/models/${model}:generateContent`, '{"contents":[]}', {}],
    [400, 'INVALID_ARGUMENT', `/v1beta/models/${model}:generateContent`, '{"contents":', {}],
    [400, 'INVALID_ARGUMENT', `/v1beta/models/${model}:streamGenerateContent`, undefined, {}],
    [501, 'UNIMPLEMENTED', `/v1beta/models/${model}:batchEmbedContents`, undefined, {}],
  ])('%i %s: %s', async (code, status, path, body, headers) => {
    const response = await post(path, body, headers)
    expect(response.status).toBe(code)
    expect(response.headers.get('x-should-retry')).toBe('false')
    expect(await response.json()).toMatchObject({ error: { code, status, message: expect.any(String) } })
  })

  it('and a key in the URL is in no log', async () => {
    const body = '{"contents":[{"parts":[{"text":"Hi"}]}]}'
    const headers = { 'content-type': 'application/json' }
    const postWithKey = (path: string, urlKey: string) =>
      fetch(`${gateway().url}${path}?key=${urlKey}`, { method: 'POST', headers, body })
    expect((await postWithKey('/v1/models/sim/lorem:generateContent', key)).status).toBe(200)
    expect((await postWithKey('/v1/models/sim/lorem:generateContent', 'not-a-key-of-ours')).status).toBe(401)
    expect((await postWithKey('/v1/nothing', key)).status).toBe(404)
    expect(gateway().output()).not.toMatch(/key-of-the-gateway|not-a-key-of-ours/)
  })
})

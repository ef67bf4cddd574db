import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readFixture, startAnthropicUpstream, type AnthropicUpstream } from '../support/anthropic-upstream.ts'
import { eventually, useGateway } from '../support/gateway.ts'

let upstream: AnthropicUpstream
beforeAll(async () => {
  upstream = await startAnthropicUpstream()
})
afterAll(() => upstream.close())

/** One provider for each, since a key that is refused or limited rests for a while. */
const failStatuses = [400, 401, 429, 529]
const anthropicProvider = () => ({
  type: 'anthropic',
  base_url: upstream.url,
  keys: [{ name: 'main', value: 'sk-ant-upstream' }],
})

const gateway = useGateway(() => ({
  config: {
    keys: [{ name: 'team', key: 'client-key', tenant: 'team' }],
    providers: {
      claude: anthropicProvider(),
      sim: { type: 'simulator' },
      ...Object.fromEntries(failStatuses.map((status) => [`failing-${status}`, anthropicProvider()])),
    },
    models: [{ name: 'smart', targets: [{ provider: 'claude', model: 'text' }] }],
  },
}))

const prompt = { max_tokens: 100, messages: [{ role: 'user' as const, content: 'hi' }] }
const headers = {
  'x-api-key': 'client-key',
  'anthropic-version': '2023-06-01',
  'content-type': 'application/json',
}

function client(path = ''): Anthropic {
  return new Anthropic({ apiKey: 'client-key', baseURL: gateway().url + path, maxRetries: 0 })
}

function lastRequest() {
  const request = upstream.requests.at(-1)!
  return { ...request, json: JSON.parse(request.body) as Record<string, unknown> }
}

async function failure(call: PromiseLike<unknown>): Promise<InstanceType<typeof Anthropic.APIError>> {
  const error: unknown = await Promise.resolve(call).catch((thrown: unknown) => thrown)
  if (error instanceof Anthropic.APIError) return error
  throw new Error('The call did not fail with an APIError.', { cause: error })
}

describe('Anthropic’s client with Anthropic behind', () => {
  it.each(['', '/anthropic'])('gets a whole answer under our id, mounted at “%s”', async (path) => {
    const {
      data,
      response,
      request_id: requestId,
    } = await client(path)
      .messages.create({ ...prompt, model: 'smart' })
      .withResponse()
    expect(data).toMatchObject({
      model: 'smart',
      content: [{ type: 'text', text: 'Hello, wörld 🌍!' }],
      stop_reason: 'stop_sequence',
      usage: { cache_read_input_tokens: 900 },
    })
    expect(data.id).toMatch(/^msg_[0-9a-f]{32}$/)
    expect(requestId).toMatch(/^req_/)
    expect(response.headers.get('location')).toBe(`${path}/v1/messages/${data.id}`)
  })

  it('sends on its version and beta, and a key of the gateway’s', async () => {
    await client().messages.create(
      { ...prompt, model: 'smart' },
      { headers: { 'anthropic-beta': 'later-1' } },
    )
    expect(lastRequest()).toMatchObject({
      path: '/v1/messages',
      headers: {
        'x-api-key': 'sk-ant-upstream',
        'anthropic-version': '2026-10-21',
        'anthropic-beta': 'later-1',
      },
    })
    expect(lastRequest().headers.authorization).toBeUndefined()
  })

  it('serves the clients of the earlier version, which send their key as x-api-key', async () => {
    const response = await fetch(`${gateway().url}/v1/messages`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ ...prompt, model: 'smart', temperature: 0.5 }),
    })
    expect(response.status).toBe(200)
    expect(lastRequest()).toMatchObject({
      headers: { 'anthropic-version': '2023-06-01' },
      json: { model: 'text', temperature: 0.5 },
    })
  })

  it('lets what nobody knows yet through, both ways and to the digit', async () => {
    const body =
      '{"model":"smart", "max_tokens":9,"messages":[{"role":"user","content":"hi"}],"x_later":{"n":12345678901234567890, "f":1.0}}'
    const response = await fetch(`${gateway().url}/v1/messages`, { method: 'POST', headers, body })
    expect(lastRequest().body).toBe(body.replace('"smart"', '"text"'))
    const theirs = await readFixture('text.json')
    const answer = await response.text()
    expect(answer.slice(answer.indexOf('"content"'))).toBe(theirs.slice(theirs.indexOf('"content"')))
  })

  it('streams text, tools, and thinking with its signature', async () => {
    const text = await client()
      .messages.stream({ ...prompt, model: 'smart' })
      .finalMessage()
    expect(text.content).toMatchObject([{ type: 'text', text: 'Hello, wörld 🌍!' }])
    const tools = await client()
      .messages.stream({ ...prompt, model: 'claude/tool-use' })
      .finalMessage()
    expect(tools.content[1]).toMatchObject({ type: 'tool_use', input: { location: 'San Francisco' } })
    const thinking = await client()
      .messages.stream({ ...prompt, model: 'claude/thinking' })
      .finalMessage()
    expect(thinking.content[0]).toMatchObject({ thinking: 'First 27 × 400, then the rest.' })

    const messages = [...prompt.messages, { role: 'assistant' as const, content: thinking.content }]
    await client().messages.create({ ...prompt, messages, model: 'smart' })
    expect(lastRequest().json.messages).toMatchObject([{}, { content: thinking.content }])
  })

  it('streams the later version’s answer', async () => {
    const message = await client()
      .messages.stream({ ...prompt, model: 'claude/text-2026-10-21' })
      .finalMessage()
    expect(message).toMatchObject({ stop_reason: 'refusal', stop_details: { category: 'cyber' } })
  })

  it('counts tokens where the provider does', async () => {
    const { data, response } = await client()
      .messages.countTokens({ messages: prompt.messages, model: 'smart' })
      .withResponse()
    expect(data).toEqual({ input_tokens: 2095 })
    expect(response.headers.has('x-millrace-token-count')).toBe(false)
    expect(lastRequest()).toMatchObject({ path: '/v1/messages/count_tokens', json: { model: 'text' } })
  })

  it('is told an error that comes in the stream', async () => {
    const error = await failure(
      client()
        .messages.stream({ ...prompt, model: 'claude/overloaded' })
        .finalMessage(),
    )
    expect(error).toMatchObject({ type: 'overloaded_error', error: { error: { message: 'Overloaded' } } })
  })

  it.each([
    [400, 'invalid_request_error', 400],
    [401, 'api_error', 502],
    [429, 'rate_limit_error', 429],
    [529, 'overloaded_error', 529],
  ])('is told an upstream’s %i as %s', async (status, type, seenStatus) => {
    const error = await failure(
      client().messages.create({ ...prompt, model: `failing-${status}/status-${status}` }),
    )
    expect(error).toMatchObject({ status: seenStatus, error: { type: 'error', error: { type } } })
  })

  it('goes on after a cut where it was, and again from the start', async () => {
    const { url } = gateway()
    const body = JSON.stringify({ ...prompt, model: 'claude/text?hold', stream: true })
    const cut = new AbortController()
    const response = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body, signal: cut.signal })
    const location = response.headers.get('location')!
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let seen = ''
    while (!seen.includes('wörld')) seen += (await reader.read()).value ?? ''
    cut.abort()
    await reader.read().catch(() => undefined)

    const running = await fetch(url + location, { headers })
    expect(running.status).toBe(202)
    expect(await running.json()).toMatchObject({ type: 'message', status: 'in_progress', stop_reason: null })

    upstream.release()
    const lastId = [...seen.matchAll(/^id: (.+)$/gm)].at(-1)![1]!
    const rest = await fetch(url + location, { headers: { ...headers, 'last-event-id': lastId } }).then((r) =>
      r.text(),
    )
    const whole = await fetch(`${url}${location}?stream=true`, { headers }).then((r) => r.text())
    expect(seen + rest).toBe(whole)
    expect(whole.match(/^event: .+$/gm)).toEqual([
      'event: message_start',
      'event: content_block_start',
      'event: content_block_delta',
      'event: content_block_delta',
      'event: content_block_stop',
      'event: message_delta',
      'event: message_stop',
    ])
    expect(await fetch(url + location, { headers }).then((r) => r.json())).toMatchObject({
      stop_reason: 'end_turn',
    })
  })

  it('ends the provider’s work when the client that wants it so is aborted', async () => {
    const before = upstream.abandoned
    const stream = client().messages.stream(
      { ...prompt, model: 'claude/text?hold' },
      { headers: { 'x-millrace-on-disconnect': 'cancel' } },
    )
    for await (const event of stream) if (event.type === 'content_block_delta') break
    await eventually('the upstream is left', () => upstream.abandoned > before)
    upstream.release()
  })

  it('cancels and deletes a message', async () => {
    const { url } = gateway()
    const body = JSON.stringify({ ...prompt, model: 'claude/text?hold', stream: true })
    const response = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body })
    const at = url + response.headers.get('location')!
    const cancelled = await fetch(`${at}/cancel`, { method: 'POST', headers: { 'x-api-key': 'client-key' } })
    expect(await cancelled.json()).toMatchObject({ type: 'message', status: 'cancelled', stop_reason: null })
    expect(await response.text()).toContain('event: error\ndata: {"type":"error"')
    upstream.release()
    const deleted = await fetch(at, { method: 'DELETE', headers: { 'x-api-key': 'client-key' } })
    expect(await deleted.json()).toMatchObject({ type: 'message_deleted' })
    expect((await fetch(at, { headers })).status).toBe(404)
  })
})

describe('Anthropic’s client with another provider behind', () => {
  it('gets text, whole and as a stream', async () => {
    const request = { ...prompt, model: 'sim/lorem?tokens=5&gap_ms=0' }
    const whole = await client().messages.create(request)
    const streamed = await client().messages.stream(request).finalMessage()
    expect(whole).toMatchObject({ role: 'assistant', stop_reason: 'end_turn', usage: { output_tokens: 5 } })
    expect(streamed.content).toMatchObject(whole.content)
  })

  it('gets tool calls, and may send their results with images', async () => {
    const tools = [
      {
        name: 'get_weather',
        input_schema: {
          type: 'object' as const,
          properties: { city: { type: 'string' } },
          required: ['city'],
        },
      },
    ]
    const model = 'sim/lorem?tokens=5&gap_ms=0'
    const asked = await client()
      .messages.stream({ ...prompt, model, tools })
      .finalMessage()
    const [call] = asked.content
    expect(asked.stop_reason).toBe('tool_use')
    expect(call).toMatchObject({
      type: 'tool_use',
      name: 'get_weather',
      input: { city: expect.any(String) as string },
    })

    const image = {
      type: 'image' as const,
      source: { type: 'base64' as const, media_type: 'image/png' as const, data: 'aGk=' },
    }
    const id = call?.type === 'tool_use' ? call.id : ''
    const answered = await client().messages.create({
      ...prompt,
      model,
      tools,
      messages: [
        ...prompt.messages,
        { role: 'assistant', content: asked.content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: [image] }] },
      ],
    })
    expect(answered.stop_reason).toBe('end_turn')
  })

  it('gets an estimate for a count, which says that it is one', async () => {
    const { data, response } = await client()
      .messages.countTokens({ messages: prompt.messages, model: 'sim/lorem' })
      .withResponse()
    expect(data.input_tokens).toBeGreaterThan(0)
    expect(response.headers.get('x-millrace-token-count')).toBe('estimate')
  })

  it('is refused a tool that runs at Anthropic alone', async () => {
    const tools = [{ type: 'web_search_20250305' as const, name: 'web_search' as const }]
    const error = await failure(client().messages.create({ ...prompt, model: 'sim/lorem', tools }))
    expect(error).toMatchObject({ status: 400, error: { error: { type: 'invalid_request_error' } } })
    expect(error.message).toContain('web_search_20250305')
  })
})

describe('Anthropic’s client and the gateway’s own errors', () => {
  it('knows a wrong key, a wrong model and a wrong body', async () => {
    const stranger = new Anthropic({ apiKey: 'wrong', baseURL: gateway().url, maxRetries: 0 })
    const refused = await failure(stranger.messages.create({ ...prompt, model: 'smart' }))
    expect(refused).toBeInstanceOf(Anthropic.AuthenticationError)
    expect(refused.requestID).toMatch(/^req_/)
    const unknown = await failure(client().messages.create({ ...prompt, model: 'smrt' }))
    expect(unknown).toBeInstanceOf(Anthropic.NotFoundError)
    expect(unknown.message).toContain('smart')
    const body = await failure(client().messages.create({ ...prompt, model: 'smart', messages: [] }))
    expect(body).toBeInstanceOf(Anthropic.BadRequestError)
    expect(body.error).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } })
  })

  it('knows a path and a message that are not there', async () => {
    const path = await failure(client().get('/v1/nothing'))
    expect(path.error).toMatchObject({ error: { type: 'not_found_error' } })
    const chat = await fetch(`${gateway().url}/v1/messages/chatcmpl-${'0'.repeat(32)}`, { headers })
    expect(await chat.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } })
  })
})

it('Anthropic’s client lists the models, and OpenAI’s does at the same path', async () => {
  const ids: string[] = []
  for await (const model of client().models.list()) ids.push(model.id)
  expect(ids).toEqual(['smart', 'sim/lorem'])
  expect(await client().models.retrieve('smart')).toMatchObject({ type: 'model', display_name: 'smart' })
  const openai = new OpenAI({ apiKey: 'client-key', baseURL: `${gateway().url}/v1`, maxRetries: 0 })
  expect((await openai.models.list()).data[0]).toMatchObject({ id: 'smart', object: 'model' })
})

describe('OpenAI’s client with Anthropic behind', () => {
  const openai = (): OpenAI =>
    new OpenAI({ apiKey: 'client-key', baseURL: `${gateway().url}/v1`, maxRetries: 0 })

  it('gets text, with the usage in its own words', async () => {
    const answer = await openai().chat.completions.create({ model: 'smart', messages: prompt.messages })
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'Hello, wörld 🌍!' },
    })
    expect(answer.usage).toMatchObject({
      prompt_tokens: 1025,
      completion_tokens: 15,
      prompt_tokens_details: { cached_tokens: 900 },
    })
    expect(lastRequest()).toMatchObject({
      headers: { 'anthropic-version': '2023-06-01', 'x-api-key': 'sk-ant-upstream' },
      json: { model: 'text', stream: true, max_tokens: 8192 },
    })
  })

  it('gets a stream of tool calls', async () => {
    const tools = [{ type: 'function' as const, function: { name: 'get_weather', parameters: {} } }]
    const stream = openai().chat.completions.stream({
      model: 'claude/tool-use',
      messages: prompt.messages,
      tools,
    })
    const { choices } = await stream.finalChatCompletion()
    expect(choices[0]?.finish_reason).toBe('tool_calls')
    expect(choices[0]?.message.tool_calls).toMatchObject([
      {
        id: 'toolu_01Weather',
        function: { name: 'get_weather', arguments: '{"location": "San Francisco"}' },
      },
      { id: 'toolu_02Time', function: { name: 'get_time', arguments: '{}' } },
    ])
  })

  it('brings signed thoughts back to Anthropic as they were', async () => {
    const model = 'claude/thinking'
    const { choices } = await openai().chat.completions.create({ model, messages: prompt.messages })
    const message = choices[0]!.message
    await openai().chat.completions.create({
      model: 'smart',
      messages: [...prompt.messages, message, { role: 'user', content: 'Go on.' }],
    })
    const [, turn] = lastRequest().json.messages as { content: unknown[] }[]
    expect(turn?.content).toMatchObject([
      {
        type: 'thinking',
        thinking: 'First 27 × 400, then the rest.',
        signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds==',
      },
      { type: 'redacted_thinking' },
      { type: 'text', text: '27 × 453 = 12,231' },
    ])
  })

  it('is told Anthropic’s errors in OpenAI’s envelope', async () => {
    const call = openai().chat.completions.create({
      model: 'failing-429/status-429',
      messages: prompt.messages,
    })
    await expect(call).rejects.toBeInstanceOf(OpenAI.RateLimitError)
  })
})

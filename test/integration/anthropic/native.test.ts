import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { readFixture } from '../../support/anthropic-upstream.ts'
import { failure, headers, prompt, useAnthropicGateway } from './support.ts'

const { gateway, client, lastRequest } = useAnthropicGateway()

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

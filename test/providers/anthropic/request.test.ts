import { describe, expect, it } from 'vitest'
import { GatewayError, type CanonicalRequest, type Content } from '#libs/core'
import { anthropic } from '#libs/providers'

const empty: CanonicalRequest = {
  model: 'claude',
  system: [],
  messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
  tools: [],
  stop: [],
  extensions: {},
}
const tool = { name: 'f', parameters: { properties: {} } }

function toBody(request: Partial<CanonicalRequest>): Record<string, unknown> {
  const call = anthropic.adapter!.toRequest({ ...empty, ...request })
  expect(call.path).toBe('/v1/messages')
  return JSON.parse(call.body) as Record<string, unknown>
}

function refusal(request: Partial<CanonicalRequest>): GatewayError {
  try {
    toBody(request)
  } catch (error) {
    if (error instanceof GatewayError) return error
  }
  throw new Error('It was not refused.')
}

const user = (...content: Content[]): Partial<CanonicalRequest> => ({ messages: [{ role: 'user', content }] })

describe('a request to Anthropic', () => {
  it('streams always, and says how long the answer may get', () => {
    expect(toBody({})).toEqual({
      model: 'claude',
      max_tokens: 8192,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      stream: true,
    })
    expect(toBody({ maxOutputTokens: 5 })).toMatchObject({ max_tokens: 5 })
    expect(toBody({ reasoning: { budgetTokens: 2000 } })).toMatchObject({
      max_tokens: 10_192,
      thinking: { type: 'enabled', budget_tokens: 2000 },
    })
  })

  it('carries system prompts, cache markers, sampling and the user', () => {
    const body = toBody({
      system: [{ type: 'text', text: 'Be kind.', cache: { ttl: '1h' } }],
      ...user({ type: 'text', text: 'hi', cache: {} }),
      temperature: 1.7,
      topP: 0.9,
      topK: 40,
      stop: ['END'],
      user: 'u1',
      seed: 7,
    })
    expect(body).toEqual({
      model: 'claude',
      max_tokens: 8192,
      system: [{ type: 'text', text: 'Be kind.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'hi', cache_control: { type: 'ephemeral' } }] },
      ],
      temperature: 1,
      top_p: 0.9,
      top_k: 40,
      stop_sequences: ['END'],
      metadata: { user_id: 'u1' },
      stream: true,
    })
  })

  it('puts the results of a turn’s tool calls into one turn, and signed thoughts alone', () => {
    const { messages } = toBody({
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'Signed.', signature: 'sig' },
            { type: 'reasoning', text: 'Of another model.' },
            { type: 'reasoning', text: '', redacted: 'secret' },
            { type: 'text', text: '' },
            { type: 'tool-call', id: 'call:1', name: 'f', arguments: '{"a":1}' },
            { type: 'tool-call', id: 'call_2', name: 'f', arguments: '' },
          ],
        },
        { role: 'tool', toolCallId: 'call:1', content: [{ type: 'text', text: 'one' }] },
        { role: 'tool', toolCallId: 'call_2', content: [], isError: true },
        { role: 'user', content: [{ type: 'text', text: 'Go on.' }] },
      ],
    })
    expect(messages).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'Signed.', signature: 'sig' },
          { type: 'redacted_thinking', data: 'secret' },
          { type: 'tool_use', id: 'call_1', name: 'f', input: { a: 1 } },
          { type: 'tool_use', id: 'call_2', name: 'f', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'call_1', content: [{ type: 'text', text: 'one' }] },
          { type: 'tool_result', tool_use_id: 'call_2', content: [], is_error: true },
          { type: 'text', text: 'Go on.' },
        ],
      },
    ])
  })

  it('carries images and documents', () => {
    const { messages } = toBody(
      user(
        { type: 'image', source: { data: 'aGk=' }, mediaType: 'image/png' },
        { type: 'image', source: { url: 'https://a.b/c.png' } },
        { type: 'file', source: { data: 'JVBERg==' }, mediaType: 'application/pdf', filename: 'a.pdf' },
        { type: 'file', source: { data: 'aGk=' }, mediaType: 'text/markdown' },
        { type: 'file', source: { fileId: 'file_1' } },
      ),
    )
    expect(messages).toMatchObject([
      {
        content: [
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } },
          { type: 'image', source: { type: 'url', url: 'https://a.b/c.png' } },
          { type: 'document', title: 'a.pdf', source: { type: 'base64', media_type: 'application/pdf' } },
          { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'hi' } },
          { type: 'document', source: { type: 'file', file_id: 'file_1' } },
        ],
      },
    ])
  })

  it.each<[Partial<CanonicalRequest>, unknown]>([
    [{ toolChoice: 'auto' }, { type: 'auto' }],
    [
      { toolChoice: 'required', parallelToolCalls: false },
      { type: 'any', disable_parallel_tool_use: true },
    ],
    [{ toolChoice: { name: 'f' } }, { type: 'tool', name: 'f' }],
    [{ toolChoice: 'none', parallelToolCalls: false }, { type: 'none' }],
    [{ parallelToolCalls: false }, { type: 'auto', disable_parallel_tool_use: true }],
    [{ parallelToolCalls: true }, undefined],
  ])('says the tool choice %j as %j', (request, choice) => {
    const body = toBody({ ...request, tools: [tool] })
    expect(body.tools).toEqual([{ name: 'f', input_schema: { type: 'object', properties: {} } }])
    expect(body.tool_choice).toEqual(choice)
  })

  it('asks for effort and a schema, and for thinking as a chat client may write it', () => {
    const schema = { type: 'object' }
    expect(
      toBody({
        reasoning: { effort: 'minimal' },
        responseFormat: { type: 'json-schema', name: 'n', schema },
      }),
    ).toMatchObject({
      thinking: { type: 'adaptive' },
      output_config: { effort: 'low', format: { type: 'json_schema', schema } },
    })
    expect(toBody({ reasoning: { effort: 'none' } })).toMatchObject({ thinking: { type: 'disabled' } })
    const thinking = { type: 'enabled', budget_tokens: 1024 }
    expect(toBody({ extensions: { 'openai-chat': { thinking, other: 1 } } })).toMatchObject({ thinking })
  })

  it('carries fields of Anthropic’s own, which never beat what was translated', () => {
    const own = { service_tier: 'auto', model: 'another', stream: false }
    expect(toBody({ extensions: { 'anthropic-messages': own } })).toMatchObject({
      service_tier: 'auto',
      model: 'claude',
      stream: true,
    })
  })

  it.each<[Partial<CanonicalRequest>, RegExp, string]>([
    [user({ type: 'audio', source: { data: 'aGk=' } }), /audio/, 'messages'],
    [user({ type: 'video', source: { url: 'https://a.b' } }), /video/, 'messages'],
    [
      user({ type: 'file', source: { data: 'aGk=' }, mediaType: 'application/zip' }),
      /application\/zip/,
      'messages',
    ],
    [{ logprobs: { top: 2 } }, /logprobs/, 'logprobs'],
    [{ responseFormat: { type: 'json' } }, /json_schema/, 'response_format'],
    [
      {
        messages: [
          { role: 'assistant', content: [{ type: 'tool-call', id: 'c9', name: 'f', arguments: '{"a":' }] },
        ],
      },
      /c9/,
      'messages',
    ],
  ])('refuses %j, naming what it can’t take', (request, message, param) => {
    expect(refusal(request)).toMatchObject({
      code: 'invalid_request',
      param,
      message: expect.stringMatching(message) as string,
    })
  })
})

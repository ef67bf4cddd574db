import { describe, expect, it } from 'vitest'
import { anthropicTokenCount, estimateAnthropicTokens } from '#libs/dialects'
import { decode, dialect, failure } from './judge.ts'

const messages = [{ role: 'user', content: 'hi' }]
const valid = { model: 'smart', max_tokens: 100, messages }

describe('reading a request', () => {
  it('tells the model and whether it streams', () => {
    expect(dialect.readRequest({ ...valid, stream: true, x_later: { any: 'thing' } })).toEqual({
      model: 'smart',
      stream: true,
      includeUsage: true,
      store: false,
      metadata: {},
    })
  })

  it('takes what only one of the two versions has', () => {
    const sampling = { temperature: 0.5, top_p: 0.9, top_k: 40 }
    const later = {
      thinking: { type: 'between_tools' },
      messages: [...messages, { role: 'system', content: 'Be brief.' }],
    }
    expect(() => dialect.readRequest({ ...valid, ...sampling })).not.toThrow()
    expect(() => dialect.readRequest({ ...valid, ...later })).not.toThrow()
    expect(() => dialect.readRequest({ ...valid, max_tokens: 0 })).not.toThrow()
  })

  it.each([
    [null, null],
    [{ max_tokens: 1, messages }, 'model'],
    [{ model: 'a\nb', max_tokens: 1, messages }, 'model'],
    [{ model: 'm', messages }, 'max_tokens'],
    [{ ...valid, max_tokens: -1 }, 'max_tokens'],
    [{ ...valid, max_tokens: 1.5 }, 'max_tokens'],
    [{ ...valid, max_tokens: '10' }, 'max_tokens'],
    [{ ...valid, messages: undefined }, 'messages'],
    [{ ...valid, messages: [] }, 'messages'],
    [{ ...valid, messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].role'],
    [{ ...valid, messages: [{ role: 'user' }] }, 'messages[0].content'],
    [{ ...valid, messages: [{ role: 'user', content: [{ type: 'text' }] }] }, 'messages[0].content[0].text'],
    [
      {
        ...valid,
        messages: [{ role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'file:///x' } }] }],
      },
      'messages[0].content[0].source.url',
    ],
    [
      {
        ...valid,
        messages: [{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content: [3] }] }],
      },
      'messages[0].content[0].content[0]',
    ],
    [{ ...valid, system: 5 }, 'system'],
    [{ ...valid, temperature: 1.1 }, 'temperature'],
    [{ ...valid, stream: 'yes' }, 'stream'],
    [{ ...valid, stop_sequences: 'END' }, 'stop_sequences'],
    [{ ...valid, tools: [{ name: 'f' }] }, 'tools[0].input_schema'],
    [{ ...valid, tool_choice: 'auto' }, 'tool_choice'],
    [{ ...valid, tool_choice: { type: 'tool' } }, 'tool_choice.name'],
    [{ ...valid, thinking: {} }, 'thinking.type'],
    [{ ...valid, metadata: { user_id: 5 } }, 'user_id'],
  ])('refuses %j because of %s', (body, param) => {
    const error = failure(() => dialect.readRequest(body))
    expect(error).toMatchObject({ code: 'invalid_request', param })
  })

  it('counts a prompt that has no max_tokens', () => {
    expect(anthropicTokenCount.readRequest({ model: 'm', messages })).toMatchObject({
      model: 'm',
      stream: false,
    })
  })
})

describe('decoding a request', () => {
  it('keeps system prompts, cache markers and sampling', () => {
    const cache_control = { type: 'ephemeral', ttl: '1h' }
    expect(
      decode({
        system: [{ type: 'text', text: 'Be kind.', cache_control }],
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'hi', cache_control: { type: 'ephemeral' } }] },
          { role: 'system', content: 'Now be brief.' },
        ],
        temperature: 0.5,
        top_p: 0.9,
        top_k: 40,
        stop_sequences: ['END'],
        metadata: { user_id: 'u1' },
        service_tier: 'auto',
      }),
    ).toEqual({
      model: 'target',
      system: [
        { type: 'text', text: 'Be kind.', cache: { ttl: '1h' } },
        { type: 'text', text: 'Now be brief.' },
      ],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi', cache: {} }] }],
      tools: [],
      stop: ['END'],
      maxOutputTokens: 100,
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      user: 'u1',
      extensions: { 'anthropic-messages': { service_tier: 'auto' } },
    })
  })

  it('keeps images and documents', () => {
    const [message] = decode({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/PNG', data: 'aGk=' } },
            { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
            { type: 'image', source: { type: 'file', file_id: 'file_1' } },
            {
              type: 'document',
              title: 'T',
              context: 'Old.',
              source: { type: 'text', media_type: 'text/plain', data: 'hi' },
            },
          ],
        },
      ],
    }).messages
    expect(message?.content).toEqual([
      { type: 'image', source: { data: 'aGk=' }, mediaType: 'image/png' },
      { type: 'image', source: { url: 'https://example.com/a.png' } },
      { type: 'image', source: { fileId: 'file_1' } },
      { type: 'text', text: 'Old.' },
      { type: 'file', source: { data: 'aGk=' }, mediaType: 'text/plain', filename: 'T' },
    ])
  })

  it('keeps an agent’s turn: thinking with its signature, tool calls and their results', () => {
    expect(
      decode({
        messages: [
          {
            role: 'assistant',
            content: [
              { type: 'thinking', thinking: 'Hm.', signature: 'sig' },
              { type: 'thinking', thinking: 'Not signed.', signature: '' },
              { type: 'redacted_thinking', data: 'secret' },
              { type: 'text', text: 'Looking.' },
              { type: 'tool_use', id: 't1', name: 'look', input: { a: 1 }, signature: 'tool-sig' },
            ],
          },
          {
            role: 'user',
            content: [
              {
                type: 'tool_result',
                tool_use_id: 't1',
                content: 'no',
                is_error: true,
                cache_control: { type: 'ephemeral' },
              },
              { type: 'text', text: 'Go on.' },
            ],
          },
        ],
      }).messages,
    ).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'Hm.', signature: 'sig' },
          { type: 'reasoning', text: 'Not signed.' },
          { type: 'reasoning', text: '', redacted: 'secret' },
          { type: 'text', text: 'Looking.' },
          { type: 'tool-call', id: 't1', name: 'look', arguments: '{"a":1}', signature: 'tool-sig' },
        ],
      },
      { role: 'tool', toolCallId: 't1', isError: true, content: [{ type: 'text', text: 'no', cache: {} }] },
      { role: 'user', content: [{ type: 'text', text: 'Go on.' }] },
    ])
  })

  it('keeps tools, the choice among them, thinking and the format of the answer', () => {
    const schema = { type: 'object', properties: {} }
    expect(
      decode({
        tools: [
          {
            name: 'f',
            description: 'F.',
            input_schema: schema,
            strict: true,
            cache_control: { type: 'ephemeral' },
          },
        ],
        tool_choice: { type: 'any', disable_parallel_tool_use: true },
        thinking: { type: 'enabled', budget_tokens: 2048 },
        output_config: { effort: 'high', format: { type: 'json_schema', schema } },
      }),
    ).toMatchObject({
      tools: [{ name: 'f', description: 'F.', parameters: schema, strict: true, cache: {} }],
      toolChoice: 'required',
      parallelToolCalls: false,
      reasoning: { effort: 'high', budgetTokens: 2048 },
      responseFormat: { type: 'json-schema', schema },
    })
    expect(decode({ tool_choice: { type: 'tool', name: 'f' } }).toolChoice).toEqual({ name: 'f' })
  })

  it.each([
    [{ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 'tools[0].type'],
    [{ mcp_servers: [{ url: 'https://example.com' }] }, 'mcp_servers'],
    [
      { messages: [{ role: 'assistant', content: [{ type: 'server_tool_use', id: 's' }] }] },
      'messages[0].content[0].type',
    ],
    [
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'document', source: { type: 'url', url: 'https://a.b' }, citations: { enabled: true } },
            ],
          },
        ],
      },
      'messages[0].content[0].citations',
    ],
    [{ output_config: { format: { type: 'grammar' } } }, 'output_config.format'],
  ])('refuses %j, of which the answer would lack something, because of %s', (body, param) => {
    expect(failure(() => decode(body))).toMatchObject({ code: 'invalid_request', param })
  })
})

it('an estimate grows with the text and not with the bytes of an image', () => {
  const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'A'.repeat(1e6) } }
  const short = estimateAnthropicTokens(valid)
  expect(short).toBeGreaterThan(0)
  expect(short).toBeLessThan(20)
  expect(estimateAnthropicTokens({ ...valid, system: 'word '.repeat(1000) })).toBeGreaterThan(1000)
  expect(estimateAnthropicTokens({ messages: [{ role: 'user', content: [image] }] })).toBeLessThan(2000)
})

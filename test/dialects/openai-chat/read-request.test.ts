import { describe, expect, it } from 'vitest'
import { GatewayError } from '#libs/core'
import { dialect } from './judge.ts'

const hello = { role: 'user', content: 'hi' }
const valid = { model: 'm', messages: [hello] }
const tool = { type: 'function', function: { name: 'add', parameters: { type: 'object' } } }

function refusal(body: unknown): GatewayError {
  try {
    dialect.readRequest(body)
  } catch (error) {
    if (error instanceof GatewayError) return error
    throw error
  }
  throw new Error(`Was taken: ${JSON.stringify(body)?.slice(0, 200)}`)
}

function nest(levels: number): Record<string, unknown> {
  return levels === 1 ? {} : { properties: nest(levels - 1) }
}

describe('readRequest', () => {
  it('tells what the gateway needs to know', () => {
    expect(dialect.readRequest(valid)).toEqual({
      model: 'm',
      stream: false,
      includeUsage: false,
      store: false,
      metadata: {},
    })
    const body = {
      ...valid,
      stream: true,
      stream_options: { include_usage: true },
      store: true,
      metadata: { a: 'b' },
    }
    expect(dialect.readRequest(body)).toEqual({
      model: 'm',
      stream: true,
      includeUsage: true,
      store: true,
      metadata: { a: 'b' },
    })
  })

  it('takes null for absent and lets unknown fields, parts and tools pass', () => {
    const names = [
      'stream',
      'stream_options',
      'store',
      'metadata',
      'stop',
      'temperature',
      'n',
      'max_tokens',
      'tools',
    ]
    const nothing = Object.fromEntries(
      [...names, 'tool_choice', 'response_format', 'user'].map((name) => [name, null]),
    )
    const later = {
      future: { deep: [1] },
      tools: [{ type: 'web_search' }, tool],
      tool_choice: { type: 'allowed_tools', allowed_tools: {} },
      response_format: { type: 'grammar' },
      messages: [{ role: 'user', content: [{ type: 'hologram', hologram: 1 }] }],
    }
    expect(() => dialect.readRequest({ ...valid, ...nothing })).not.toThrow()
    expect(() => dialect.readRequest({ ...valid, ...later })).not.toThrow()
  })

  it('takes conversations with tools, media and silence', () => {
    const call = { id: 'c', type: 'function', function: { name: 'add', arguments: '{}' } }
    const media = ['https://x/y.png', 'http://169.254.169.254/', 'data:image/png;base64,AA', 'HTTPS://X']
    const messages = [
      { role: 'developer', content: [{ type: 'text', text: 'be brief' }] },
      { role: 'user', content: media.map((url) => ({ type: 'image_url', image_url: { url } })) },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c', content: '3' },
      { role: 'assistant' },
      { role: 'function', name: 'old', content: null },
    ]
    expect(() => dialect.readRequest({ ...valid, messages, tools: [tool] })).not.toThrow()
  })

  it.each([undefined, null, [], 'x', 7, true])('refuses a body that is %j', (body) => {
    expect(refusal(body)).toMatchObject({ code: 'invalid_request', status: 400, param: null })
  })

  const deep = { type: 'json_schema', json_schema: { name: 'a', schema: nest(65) } }
  const refused: [param: string, fields: object][] = [
    ...[undefined, null, 7, '', 'a\r\nb', 'a\u0000', 'a'.repeat(257)].map((model): [string, object] => [
      'model',
      { model },
    ]),
    ...['max_tokens', 'max_completion_tokens'].flatMap((name) =>
      [-1, 0, 1e12, '10', 1.5, [], Number.POSITIVE_INFINITY].map((value): [string, object] => [
        name,
        { [name]: value },
      ]),
    ),
    ...[Number.NaN, 'hot', -0.1, 2.1, Number.POSITIVE_INFINITY, {}].map((value): [string, object] => [
      'temperature',
      { temperature: value },
    ]),
    ...[-1, 1.1, '1'].map((value): [string, object] => ['top_p', { top_p: value }]),
    ...[0, 129, 1000, 1.5, '2'].map((value): [string, object] => ['n', { n: value }]),
    ['frequency_penalty', { frequency_penalty: 3 }],
    ['presence_penalty', { presence_penalty: 'a' }],
    ['seed', { seed: 1.5 }],
    ['logprobs', { logprobs: 1e9 }],
    ...[-1, 21, 1e9, true].map((value): [string, object] => ['top_logprobs', { top_logprobs: value }]),
    ...['yes', 1, {}].map((value): [string, object] => ['stream', { stream: value }]),
    ...['x', 1, []].map((value): [string, object] => [
      'stream_options',
      { stream: true, stream_options: value },
    ]),
    ['stream_options', { stream_options: {} }],
    ['stream_options.include_usage', { stream: true, stream_options: { include_usage: 'yes' } }],
    ['store', { store: 'yes' }],
    ['user', { user: {} }],
    ['stop', { stop: '' }],
    ['stop', { stop: ['a', ''] }],
    ['stop', { stop: [1] }],
    ['stop', { stop: Array.from({ length: 10_000 }, () => 'a') }],
    ['metadata', { metadata: [] }],
    ['metadata', { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`k${at}`, ''])) }],
    ['metadata', { metadata: { ['k'.repeat(65)]: '' } }],
    ['metadata', { metadata: { 'a\nb': '' } }],
    ['metadata.a', { metadata: { a: 1 } }],
    ['metadata.a', { metadata: { a: 'x'.repeat(513) } }],
    ['response_format', { response_format: 'json' }],
    ['response_format.type', { response_format: {} }],
    ['response_format.json_schema', { response_format: { type: 'json_schema' } }],
    ['response_format.json_schema.name', { response_format: { type: 'json_schema', json_schema: {} } }],
    ['response_format.json_schema.schema', { response_format: deep }],
    ['tools', { tools: {} }],
    ['tools[0]', { tools: ['add'] }],
    ['tools[0].type', { tools: [{}] }],
    ['tools[1].function', { tools: [tool, { type: 'function' }] }],
    ['tools[0].function.name', { tools: [{ type: 'function', function: { name: '' } }] }],
    [
      'tools[0].function.parameters',
      { tools: [{ type: 'function', function: { name: 'a', parameters: nest(65) } }] },
    ],
    ['tool_choice', { tool_choice: 'maybe' }],
    ['tool_choice', { tool_choice: 7 }],
    ['tool_choice.type', { tool_choice: {} }],
    ['tool_choice', { tools: [tool], tool_choice: { type: 'function', function: { name: 'sub' } } }],
    ['messages', { messages: undefined }],
    ['messages', { messages: 'hi' }],
    ['messages', { messages: [] }],
    ['messages', { messages: Array.from({ length: 10_001 }, () => hello) }],
    ['messages[1]', { messages: [hello, 'hi'] }],
    ['messages[0].role', { messages: [{ content: 'hi' }] }],
    ['messages[0].role', { messages: [{ role: 'wizard', content: 'hi' }] }],
    ['messages[0].role', { messages: [{ role: '__proto__', content: 'hi' }] }],
    ...[undefined, null, 7, {}].map((content): [string, object] => [
      'messages[0].content',
      { messages: [{ role: 'user', content }] },
    ]),
    ['messages[0].content[0]', { messages: [{ role: 'user', content: ['hi'] }] }],
    ['messages[0].content[0].type', { messages: [{ role: 'user', content: [{}] }] }],
    ['messages[0].content[0].text', { messages: [{ role: 'user', content: [{ type: 'text' }] }] }],
    ['messages[0].tool_call_id', { messages: [{ role: 'tool', content: 'x' }] }],
    ['messages[0].tool_calls', { messages: [{ role: 'assistant', tool_calls: {} }] }],
    [
      'messages[0].tool_calls[0].id',
      { messages: [{ role: 'assistant', tool_calls: [{ type: 'function' }] }] },
    ],
    ...['file:///etc/passwd', 'gopher://x', 'data:text/html,x', 'ftp://x', '/x', ' https://x', ''].map(
      (url): [string, object] => [
        'messages[0].content[0].image_url.url',
        { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }] },
      ],
    ),
    [
      'messages[0].content[0].video_url',
      { messages: [{ role: 'user', content: [{ type: 'video_url', video_url: 'file:///x' }] }] },
    ],
  ]

  it.each(refused)('names %s in the refusal of case %#', (param, fields) => {
    expect(refusal({ ...valid, ...fields })).toMatchObject({ code: 'invalid_request', status: 400, param })
  })

  it('takes schemas of 64 levels', () => {
    const format = { type: 'json_schema', json_schema: { name: 'a', schema: nest(64) } }
    expect(() => dialect.readRequest({ ...valid, response_format: format })).not.toThrow()
  })

  it('leaves prototypes alone', () => {
    const body: unknown = JSON.parse(
      '{"model":"m","messages":[{"role":"user","content":"hi","__proto__":{"polluted":1}}],"metadata":{"__proto__":"x"},"constructor":{"prototype":{"polluted":1}}}',
    )
    expect(Object.keys(dialect.readRequest(body).metadata)).toEqual(['__proto__'])
    dialect.decodeRequest(body, 'm')
    expect({}).not.toHaveProperty('polluted')
  })
})

import { describe, expect, it } from 'vitest'
import { GatewayError } from '#libs/core'
import { encode } from './judge.ts'
import { dialect } from './judge.ts'

const read = (body: unknown) => dialect.readRequest(body)
const decode = (body: object) => dialect.decodeRequest({ model: 'm', ...body }, 'target')
const tool = { type: 'function', name: 'add', parameters: { type: 'object' }, strict: true }

function refusal(act: () => unknown): { code: string; param: string | null; message: string } {
  try {
    act()
  } catch (error) {
    if (error instanceof GatewayError) return error
  }
  throw new Error('nothing was refused')
}

describe('readRequest', () => {
  it('tells what the gateway needs', () => {
    expect(read({ model: 'm', input: 'x', metadata: { a: 'b' } })).toEqual({
      model: 'm',
      stream: false,
      includeUsage: true,
      store: false,
      metadata: { a: 'b' },
    })
    expect(read({ model: 'm', input: 'x', stream: true }).stream).toBe(true)
    expect(read({ model: 'm', input: 'x', background: true }).stream).toBe(true)
  })

  it('lets pass what it does not know', () => {
    const input = [
      { type: 'computer_call', x: 1 },
      { role: 'user', content: [{ type: 'input_smell' }] },
    ]
    expect(() => read({ model: 'm', input, tools: [{ type: 'web_search' }], x: 1 })).not.toThrow()
    expect(() => read({ model: 'm', previous_response_id: 'resp_68' })).not.toThrow()
  })

  it.each([
    [null, null],
    [[], null],
    ['x', null],
    [{ input: 'x' }, 'model'],
    [{ model: 'a\r\nb', input: 'x' }, 'model'],
    [{ model: 'm' }, 'input'],
    [{ model: 'm', input: 7 }, 'input'],
    [{ model: 'm', input: Array(10_001).fill({ role: 'user', content: 'x' }) }, 'input'],
    [{ model: 'm', input: [null] }, 'input[0]'],
    [{ model: 'm', input: [{ role: 'robot', content: 'x' }] }, 'input[0].role'],
    [{ model: 'm', input: [{ role: 'user' }] }, 'input[0].content'],
    [
      { model: 'm', input: [{ role: 'user', content: [{ type: 'input_text' }] }] },
      'input[0].content[0].text',
    ],
    [{ model: 'm', input: [{ type: 7 }] }, 'input[0].type'],
    [{ model: 'm', input: [{ type: 'item_reference' }] }, 'input[0].id'],
    [{ model: 'm', input: [{ type: 'function_call', call_id: 'c', name: 'f' }] }, 'input[0].arguments'],
    [{ model: 'm', input: [{ type: 'function_call_output', output: 'x' }] }, 'input[0].call_id'],
    [{ model: 'm', input: 'x', stream: 'yes' }, 'stream'],
    [{ model: 'm', input: 'x', background: true, store: false }, 'background'],
    [{ model: 'm', input: 'x', temperature: 'hot' }, 'temperature'],
    [{ model: 'm', input: 'x', max_output_tokens: 0 }, 'max_output_tokens'],
    [{ model: 'm', input: 'x', max_output_tokens: 1e12 }, 'max_output_tokens'],
    [{ model: 'm', input: 'x', metadata: { a: 1 } }, 'metadata.a'],
    [{ model: 'm', input: 'x', conversation: 'c', previous_response_id: 'r' }, 'previous_response_id'],
    [{ model: 'm', input: 'x', tools: [{ type: 'function' }] }, 'tools[0].name'],
    [{ model: 'm', input: 'x', tool_choice: 'never' }, 'tool_choice'],
    [{ model: 'm', input: 'x', tool_choice: { type: 'function', name: 'f' } }, 'tool_choice'],
    [{ model: 'm', input: 'x', text: { format: { type: 'json_schema' } } }, 'text.format.name'],
    [{ model: 'm', input: 'x', text: { format: {} } }, 'text.format.type'],
    [{ model: 'm', input: 'x', reasoning: 'high' }, 'reasoning'],
    [{ model: 'm', input: 'x', reasoning: { effort: 3 } }, 'reasoning.effort'],
    [{ model: 'm', input: 'x', include: 'all' }, 'include'],
  ])('refuses %j', (body, param) => {
    expect(refusal(() => read(body))).toMatchObject({ code: 'invalid_request', param })
  })

  it.each(['file:///etc/passwd', 'gopher://x', 'data:text/html,x'])('refuses the image %s', (url) => {
    const input = [{ role: 'user', content: [{ type: 'input_image', image_url: url }] }]
    expect(refusal(() => read({ model: 'm', input })).param).toBe('input[0].content[0].image_url')
  })
})

describe('decodeRequest', () => {
  it('reads a text', () => {
    expect(decode({ input: 'Hi', instructions: 'Be brief.' })).toEqual({
      model: 'target',
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
      tools: [],
      stop: [],
      extensions: {},
    })
  })

  it('reads a conversation, with what the model said as one turn', () => {
    const input = [
      { role: 'developer', content: 'Rules' },
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'Look' },
          { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' },
          { type: 'input_image', file_id: 'file-1' },
          { type: 'input_file', file_data: 'data:application/pdf;base64,BBBB', filename: 'a.pdf' },
          { type: 'input_file', file_url: 'https://a/b.pdf' },
          { type: 'input_audio', input_audio: { data: 'CCCC', format: 'mp3' } },
        ],
      },
      {
        type: 'reasoning',
        summary: [{ type: 'summary_text', text: 'hm' }],
        encrypted_content: 'signature:s',
      },
      { type: 'reasoning', summary: [], encrypted_content: 'gAAA' },
      { type: 'reasoning', summary: [] },
      {
        type: 'message',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'So' },
          { type: 'refusal', refusal: 'no' },
        ],
      },
      { type: 'function_call', call_id: 'c', name: 'add', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_text', text: '3' }] },
      { type: 'function_call_output', call_id: 'd', output: '4' },
    ]
    expect(decode({ input })).toMatchObject({
      system: [{ type: 'text', text: 'Rules' }],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look' },
            { type: 'image', source: { data: 'AAAA' }, mediaType: 'image/png', detail: 'low' },
            { type: 'image', source: { fileId: 'file-1' } },
            { type: 'file', source: { data: 'BBBB' }, mediaType: 'application/pdf', filename: 'a.pdf' },
            { type: 'file', source: { url: 'https://a/b.pdf' } },
            { type: 'audio', source: { data: 'CCCC' }, mediaType: 'audio/mpeg' },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'hm', signature: 's' },
            { type: 'reasoning', text: '', redacted: 'gAAA' },
            { type: 'text', text: 'So' },
            { type: 'refusal', text: 'no' },
            { type: 'tool-call', id: 'c', name: 'add', arguments: '{}' },
          ],
        },
        { role: 'tool', toolCallId: 'c', content: [{ type: 'text', text: '3' }] },
        { role: 'tool', toolCallId: 'd', content: [{ type: 'text', text: '4' }] },
      ],
    })
  })

  it('gets back what the model said before, signatures and all', () => {
    const frames = encode([
      { type: 'start' },
      { type: 'reasoning-start' },
      { type: 'reasoning-delta', text: 'hm' },
      { type: 'reasoning-end', signature: 's' },
      { type: 'reasoning-start' },
      { type: 'reasoning-end', redacted: 'dark' },
      { type: 'text-delta', text: 'So' },
      { type: 'tool-call-start', index: 0, id: 'c', name: 'add', signature: 'thought' },
      { type: 'tool-call-delta', index: 0, arguments: '{}' },
      { type: 'finish', reason: { unified: 'tool_calls', raw: null } },
    ])
    const { response } = JSON.parse(frames.at(-1) ?? '') as { response: { output: unknown[] } }
    expect(decode({ input: response.output }).messages).toEqual([
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'hm', signature: 's' },
          { type: 'reasoning', text: '', redacted: 'dark' },
          { type: 'text', text: 'So' },
          { type: 'tool-call', id: 'c', name: 'add', arguments: '{}', signature: 'thought' },
        ],
      },
    ])
  })

  it('reads the settings, and carries those that have no word of ours', () => {
    const schema = { type: 'object' }
    const decoded = decode({
      input: 'x',
      tools: [tool],
      tool_choice: { type: 'function', name: 'add' },
      parallel_tool_calls: false,
      max_output_tokens: 9,
      temperature: 0.1,
      top_p: 0.2,
      text: { format: { type: 'json_schema', name: 'n', schema, strict: true } },
      reasoning: { effort: 'low' },
      include: ['message.output_text.logprobs'],
      top_logprobs: 2,
      user: 'u',
      service_tier: 'flex',
    })
    expect(decoded).toMatchObject({
      tools: [{ name: 'add', parameters: { type: 'object' }, strict: true }],
      toolChoice: { name: 'add' },
      parallelToolCalls: false,
      maxOutputTokens: 9,
      temperature: 0.1,
      topP: 0.2,
      responseFormat: { type: 'json-schema', name: 'n', schema, strict: true },
      reasoning: { effort: 'low' },
      logprobs: { top: 2 },
      user: 'u',
      extensions: { 'openai-responses': { service_tier: 'flex' } },
    })
  })

  it.each([
    [{ tools: [{ type: 'web_search' }] }, 'tools[0].type', 'web_search'],
    [{ tools: [tool, { type: 'mcp', server_label: 'a' }] }, 'tools[1].type', 'mcp'],
    [{ tool_choice: { type: 'file_search' } }, 'tool_choice.type', 'file_search'],
    [{ input: [{ type: 'item_reference', id: 'msg_1' }] }, 'input[0]', 'send the item itself'],
    [{ input: [{ type: 'computer_call' }] }, 'input[0].type', 'computer_call'],
    [
      { input: [{ role: 'user', content: [{ type: 'input_smell' }] }] },
      'input[0].content[0].type',
      'input_smell',
    ],
    [{ text: { format: { type: 'grammar' } } }, 'text.format.type', 'grammar'],
    [{ conversation: 'conv_1' }, 'conversation', 'conversation'],
    [{ prompt: { id: 'p' } }, 'prompt', 'prompt'],
  ])('refuses what the answer would silently lack: %j', (body, param, word) => {
    const refused = refusal(() => decode({ input: 'x', ...body }))
    expect(refused).toMatchObject({ code: 'invalid_request', param })
    expect(refused.message).toContain(word)
  })

  it('knows no previous response but ours, whose conversation the input holds', () => {
    expect(refusal(() => decode({ previous_response_id: 'resp_68' })).code).toBe(
      'previous_response_not_found',
    )
    const previous_response_id = 'resp_0190bbbbbbbb7bbb8ccccccccccccccc'
    expect(decode({ input: 'x', previous_response_id }).messages).toHaveLength(1)
  })
})

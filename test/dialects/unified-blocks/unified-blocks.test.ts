import { describe, expect, it } from 'vitest'
import { GatewayError, type Part } from '#libs/core'
import { unifiedBlocks as dialect, type FrameContext } from '#libs/dialects'

const context: FrameContext = {
  rid: 'blk_0190aaaaaaaa7bbbb8ccccccccccccccc',
  model: 'smart',
  createdAt: 1_790_000_000,
  includeUsage: true,
}
const hello = { model: 'smart', messages: [{ role: 'user', content: 'Hi' }] }

const parts: Part[] = [
  { type: 'start', id: 'theirs' },
  { type: 'reasoning-start' },
  { type: 'reasoning-delta', text: 'Let me ' },
  { type: 'reasoning-delta', text: 'look.' },
  { type: 'reasoning-end', signature: 'seal' },
  { type: 'text-start' },
  { type: 'text-delta', text: 'It is ' },
  { type: 'text-delta', text: 'sunny' },
  { type: 'citation', citation: { url: 'https://example.org' } },
  { type: 'text-end' },
  { type: 'tool-call-start', index: 4, id: 'a', name: 'look', signature: 'its' },
  { type: 'tool-call-start', index: 5, id: 'b', name: 'wait' },
  { type: 'tool-call-delta', index: 4, arguments: '{"at":' },
  { type: 'tool-call-delta', index: 5, arguments: 'no json' },
  { type: 'tool-call-delta', index: 4, arguments: '"sea"}' },
  { type: 'tool-call-end', index: 4 },
  {
    type: 'finish',
    reason: { unified: 'tool_calls', raw: 'tool_use' },
    usage: { inputTokens: 9, outputTokens: 4 },
  },
]
const content = [
  { type: 'thinking', text: 'Let me look.', signature: 'seal' },
  { type: 'text', text: 'It is sunny', citations: [{ url: 'https://example.org' }] },
  { type: 'tool_call', id: 'a', name: 'look', arguments: { at: 'sea' }, signature: 'its' },
  { type: 'tool_call', id: 'b', name: 'wait', arguments: 'no json' },
]
const whole = {
  type: 'done',
  id: context.rid,
  model: 'smart',
  created_at: 1_790_000_000,
  content,
  finish: { unified: 'tool_calls', raw: 'tool_use' },
  tokens: { input: 9, output: 4 },
}

function tell(told: readonly Part[]): string[] {
  const encoder = dialect.createEncoder(context)
  const frames: string[] = []
  for (const part of told) frames.push(...encoder.encode(part, frames.length))
  return frames
}

function refusal(body: unknown): GatewayError {
  try {
    dialect.readRequest(body)
  } catch (error) {
    return GatewayError.from(error)
  }
  throw new Error('The request was not refused.')
}

describe('a stream', () => {
  const frames = tell(parts)

  it('tells each block in pieces, each tool call whole at its end, and last the whole answer', () => {
    expect(frames.map((frame) => JSON.parse(frame) as unknown)).toEqual([
      { type: 'thinking', index: 0, delta: 'Let me ' },
      { type: 'thinking', index: 0, delta: 'look.' },
      { type: 'thinking', index: 0, signature: 'seal' },
      { type: 'text', index: 1, delta: 'It is ' },
      { type: 'text', index: 1, delta: 'sunny' },
      { type: 'text', index: 1, citation: { url: 'https://example.org' } },
      { type: 'tool_call', index: 2, id: 'a', name: 'look' },
      { type: 'tool_call', index: 3, id: 'b', name: 'wait' },
      { type: 'tool_call', index: 2, delta: '{"at":' },
      { type: 'tool_call', index: 3, delta: 'no json' },
      { type: 'tool_call', index: 2, delta: '"sea"}' },
      { type: 'tool_call', index: 2, id: 'a', name: 'look', arguments: { at: 'sea' }, signature: 'its' },
      { type: 'tool_call', index: 3, id: 'b', name: 'wait', arguments: 'no json' },
      whole,
    ])
  })

  it('names its events block, done and error', () => {
    const error = new GatewayError('upstream_error', 'It broke.').toJSON()
    const last = dialect.errorFrames(error, 3, { context, frames })
    const told = [frames[0]!, frames.at(-1)!, ...last].map((frame) => dialect.toEvent(frame, 'x:1'))
    expect(told.map((event) => event.split('\n')[0])).toEqual(['event: block', 'event: done', 'event: error'])
    expect(JSON.parse(last[0]!)).toEqual({
      type: 'error',
      class: 'server_error',
      code: 'upstream_error',
      message: 'It broke.',
      retryable: true,
    })
  })

  it('collects to its last event, and to what was said where that is missing', () => {
    expect(JSON.parse(dialect.collect(frames, context))).toEqual(whole)
    const broken = dialect.collect(frames.slice(0, 9), context, { inputTokens: 9 })
    expect(JSON.parse(broken)).toMatchObject({
      content: [
        content[0],
        content[1],
        { type: 'tool_call', id: 'a', arguments: '{"at":' },
        { arguments: '' },
      ],
      finish: null,
      tokens: { input: 9 },
    })
  })

  it('can be made of a whole answer', () => {
    const again = dialect.toFrames(JSON.stringify(whole), context)
    expect(JSON.parse(dialect.collect(again.slice(0, -1), context))).toMatchObject({ content })
    expect(JSON.parse(again.at(-1)!)).toEqual(whole)
  })
})

describe('a request', () => {
  it('is streamed unless it says otherwise', () => {
    expect(dialect.readRequest(hello)).toMatchObject({ model: 'smart', stream: true, store: false })
    expect(dialect.readRequest({ ...hello, stream: false, store: true, metadata: { a: 'b' } })).toMatchObject(
      {
        stream: false,
        store: true,
        metadata: { a: 'b' },
      },
    )
  })

  it('takes an answer back as the assistant’s turn, nothing of it lost', () => {
    const { messages } = dialect.decodeRequest(
      {
        ...hello,
        messages: [
          { role: 'user', content: [{ type: 'image', data: 'aGk=', media_type: 'IMAGE/PNG', cache: true }] },
          { role: 'assistant', content },
          {
            role: 'user',
            content: [
              {
                type: 'tool_result',
                tool_call_id: 'a',
                content: 'blue',
                is_error: true,
                cache: { ttl: '1h' },
              },
              { type: 'text', text: 'And now?' },
              { type: 'file', url: 'data:application/pdf;base64,aGk=', filename: 'a.pdf' },
            ],
          },
        ],
      },
      'target',
    )
    expect(messages).toEqual([
      {
        role: 'user',
        content: [{ type: 'image', source: { data: 'aGk=' }, mediaType: 'image/png', cache: {} }],
      },
      {
        role: 'assistant',
        content: [
          { type: 'reasoning', text: 'Let me look.', signature: 'seal' },
          { type: 'text', text: 'It is sunny' },
          { type: 'tool-call', id: 'a', name: 'look', arguments: '{"at":"sea"}', signature: 'its' },
          { type: 'tool-call', id: 'b', name: 'wait', arguments: 'no json' },
        ],
      },
      {
        role: 'tool',
        toolCallId: 'a',
        content: [{ type: 'text', text: 'blue', cache: { ttl: '1h' } }],
        isError: true,
      },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'And now?' },
          { type: 'file', source: { data: 'aGk=' }, mediaType: 'application/pdf', filename: 'a.pdf' },
        ],
      },
    ])
  })

  it('has a canonical word for each setting', () => {
    const body = {
      ...hello,
      system: 'Be brief.',
      tools: [{ name: 'look', parameters: { type: 'object' }, strict: true }],
      tool_choice: { name: 'look' },
      max_tokens: 10,
      temperature: 0.5,
      stop: 'END',
      response_format: { type: 'json_schema', schema: { type: 'object' } },
      reasoning: { effort: 'high', budget_tokens: 100 },
    }
    expect(dialect.decodeRequest(body, 'target')).toMatchObject({
      model: 'target',
      system: [{ type: 'text', text: 'Be brief.' }],
      tools: [{ name: 'look', strict: true }],
      toolChoice: { name: 'look' },
      maxOutputTokens: 10,
      temperature: 0.5,
      stop: ['END'],
      responseFormat: { type: 'json-schema', name: 'answer' },
      reasoning: { effort: 'high', budgetTokens: 100 },
    })
  })

  it.each([
    [null, { ...hello, max_token: 5 }, /'max_token': did you mean 'max_tokens'/],
    ['model', { messages: hello.messages }, /model/],
    ['messages', { model: 'm', messages: [] }, /messages/],
    ['messages[0].role', { model: 'm', messages: [{ role: 'system', content: 'x' }] }, /user or assistant/],
    ['messages[0].content[0].type', withBlock({ type: 'tool_call' }), /expected a block of the type text/],
    ['messages[0].content[0]', withBlock({ type: 'image', url: 'https://a', data: 'x' }), /exactly one/],
    ['messages[0].content[0].url', withBlock({ type: 'image', url: 'file:///etc/passwd' }), /https/],
    ['temperature', { ...hello, temperature: 'hot' }, /number/],
    ['max_tokens', { ...hello, max_tokens: 0 }, /1/],
    ['stop', { ...hello, stop: Array.from({ length: 17 }, () => 'x') }, /16/],
    ['metadata.a', { ...hello, metadata: { a: 1 } }, /string/],
  ])('is refused for %s', (param, body, message) => {
    const error = refusal(body)
    expect(error.code).toBe('invalid_request')
    expect(error.param).toBe(param)
    expect(error.message).toMatch(message)
  })
})

function withBlock(block: object): object {
  return { model: 'm', messages: [{ role: 'user', content: [block] }] }
}

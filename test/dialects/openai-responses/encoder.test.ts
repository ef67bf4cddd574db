import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { GatewayError, type Part } from '#libs/core'
import { clientFor, context, dialect, encode, judge, toEvents } from './judge.ts'

const usage = { inputTokens: 9, outputTokens: 4, cacheReadTokens: 5, cacheWriteTokens: 1, reasoningTokens: 2 }
const stop = { type: 'finish', reason: { unified: 'stop', raw: 'end_turn' }, usage } as const
const text: Part[] = [
  { type: 'start' },
  { type: 'text-start' },
  { type: 'text-delta', text: 'Hel"lo\n' },
  { type: 'text-delta', text: '💥' },
  { type: 'text-end' },
  stop,
]
const everything: Part[] = [
  { type: 'start' },
  { type: 'reasoning-start' },
  { type: 'reasoning-delta', text: 'h' },
  { type: 'reasoning-delta', text: 'm' },
  { type: 'reasoning-end', signature: 'sig' },
  { type: 'reasoning-start' },
  { type: 'reasoning-end', redacted: 'dark' },
  { type: 'text-start' },
  {
    type: 'text-delta',
    text: 'Sure',
    logprobs: [{ token: 'Sure', logprob: -1, bytes: [1], top_logprobs: [] }],
  },
  { type: 'text-end' },
  { type: 'citation', citation: { type: 'url_citation', url_citation: { url: 'https://a', title: 'A' } } },
  { type: 'text-start' },
  { type: 'text-delta', text: '!' },
  { type: 'text-end' },
  { type: 'refusal-delta', text: 'No' },
  { type: 'refusal-delta', text: ', thanks' },
  { type: 'tool-call-start', index: 1, id: 'a', name: 'add', signature: 'thought' },
  { type: 'tool-call-start', index: 2, id: 'b', name: 'sub' },
  { type: 'tool-call-delta', index: 1, arguments: '{"x":' },
  { type: 'tool-call-delta', index: 2, arguments: '{}' },
  { type: 'tool-call-delta', index: 1, arguments: '1}' },
  { type: 'tool-call-end', index: 1 },
  { type: 'tool-call-end', index: 2 },
  { type: 'finish', reason: { unified: 'tool_calls', raw: 'tool_use' }, usage },
]

describe('parts as response events', () => {
  it('come in the order that every client relies on', () => {
    const told = toEvents(encode(everything)).map(({ type, output_index: index }) =>
      typeof index === 'number' ? `${index} ${type}` : type,
    )
    expect(told).toEqual([
      'response.created',
      'response.in_progress',
      '0 response.output_item.added',
      '0 response.content_part.added',
      '0 response.reasoning_text.delta',
      '0 response.reasoning_text.delta',
      '0 response.reasoning_text.done',
      '0 response.content_part.done',
      '0 response.output_item.done',
      '1 response.output_item.added',
      '1 response.output_item.done',
      '2 response.output_item.added',
      '2 response.content_part.added',
      '2 response.output_text.delta',
      '2 response.output_text.annotation.added',
      '2 response.output_text.done',
      '2 response.content_part.done',
      '2 response.content_part.added',
      '2 response.output_text.delta',
      '2 response.output_text.done',
      '2 response.content_part.done',
      '2 response.content_part.added',
      '2 response.refusal.delta',
      '2 response.refusal.delta',
      '2 response.refusal.done',
      '2 response.content_part.done',
      '2 response.output_item.done',
      '3 response.output_item.added',
      '4 response.output_item.added',
      '3 response.function_call_arguments.delta',
      '4 response.function_call_arguments.delta',
      '3 response.function_call_arguments.delta',
      '3 response.function_call_arguments.done',
      '3 response.output_item.done',
      '4 response.function_call_arguments.done',
      '4 response.output_item.done',
      'response.completed',
    ])
  })

  it('are numbered from 0 without a gap, one line each', () => {
    const frames = encode(everything)
    expect(toEvents(frames).map((event) => event.sequence_number)).toEqual([...frames.keys()])
    expect(frames.join('')).not.toContain('\n')
  })

  it('are an answer to OpenAI’s accumulator, and its snapshot is the last event', async () => {
    const frames = encode(everything)
    const answer = await judge(frames)
    const { response } = toEvents(frames).at(-1) as unknown as { response: object }
    expect(answer).toMatchObject(response)
    expect(answer).toMatchObject({
      id: context.rid,
      model: context.model,
      status: 'completed',
      output_text: 'Sure!',
      native_finish_reason: 'tool_use',
      usage: {
        input_tokens: 9,
        input_tokens_details: { cached_tokens: 5, cache_write_tokens: 1 },
        output_tokens: 4,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 13,
      },
      output: [
        { type: 'reasoning', content: [{ text: 'hm' }], encrypted_content: 'signature:sig' },
        { type: 'reasoning', content: [], encrypted_content: 'dark' },
        {
          type: 'message',
          content: [
            { type: 'output_text', text: 'Sure', annotations: [{ url: 'https://a', title: 'A' }] },
            { type: 'output_text', text: '!' },
            { type: 'refusal', refusal: 'No, thanks' },
          ],
        },
        { type: 'function_call', call_id: 'a', name: 'add', arguments: '{"x":1}', status: 'completed' },
        { type: 'function_call', call_id: 'b', name: 'sub', arguments: '{}' },
      ],
    })
  })

  it('repeat what the request said, without the keys of a client’s own servers', () => {
    const [created] = toEvents(
      encode(text, {
        model: 'm',
        input: 'x',
        instructions: 'Be brief.',
        temperature: 0.5,
        metadata: { a: 'b' },
        tools: [{ type: 'mcp', server_label: 'mine', authorization: 'secret', headers: { key: 'secret' } }],
      }),
    )
    expect(created?.response).toMatchObject({
      instructions: 'Be brief.',
      temperature: 0.5,
      metadata: { a: 'b' },
      tools: [{ type: 'mcp', server_label: 'mine' }],
      store: true,
    })
    expect(JSON.stringify(created)).not.toContain('secret')
    expect(created?.response).not.toHaveProperty('input')
  })

  it('begin as queued in the background', () => {
    const events = toEvents(encode(text, { model: 'm', input: 'x', background: true }))
    expect(events.slice(0, 3)).toMatchObject([
      { type: 'response.created', response: { status: 'queued', background: true } },
      { type: 'response.queued', response: { status: 'queued' } },
      { type: 'response.in_progress', response: { status: 'in_progress' } },
    ])
  })

  it.each([
    ['length', 'max_tokens', 'max_output_tokens'],
    ['content_filter', 'safety', 'content_filter'],
    ['refusal', 'refusal', 'content_filter'],
    ['pause', 'pause_turn', 'pause_turn'],
    ['other', null, 'other'],
  ] as const)('end with %s as an incomplete response', async (unified, raw, reason) => {
    const frames = encode([...text.slice(0, 3), { type: 'finish', reason: { unified, raw } }])
    expect(toEvents(frames).at(-1)?.type).toBe('response.incomplete')
    expect(await judge(frames)).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason },
      output: [{ status: 'incomplete', content: [{ text: 'Hel"lo\n' }] }],
    })
  })
})

describe('the event', () => {
  it('is named after its type, and bears an id only for those who asked for events', () => {
    const [frame = ''] = encode(text)
    expect(dialect.toEvent(frame, 'r:0')).toBe(`event: response.created\ndata: ${frame}\n\n`)
    expect(dialect.toEvent(frame, 'r:0', true)).toBe(`id: r:0\nevent: response.created\ndata: ${frame}\n\n`)
    expect(dialect.toEvent('{"a":"type","type":"response.queued"}', 'r:0')).toMatch(
      /^event: response\.queued\n/,
    )
  })
})

describe('a stream that breaks off', () => {
  const failure = new GatewayError('upstream_error', 'Over "there"', {
    raw: { type: 'overloaded_error', code: 'overloaded' },
  }).toJSON()
  const cancelled = new GatewayError('cancelled', 'The run was cancelled.').toJSON()
  const end = (frames: string[], error = failure) => [
    ...frames,
    ...dialect.errorFrames(error, frames.length, { context, frames }),
  ]
  const half = encode(text).slice(0, 5)

  it('tells the error in both shapes, and then the failed response with what was said', () => {
    const [error, failed, ...more] = toEvents(end(half)).slice(5)
    expect(error).toEqual({
      type: 'error',
      sequence_number: 5,
      code: 'overloaded',
      message: 'Over "there"',
      param: null,
      error: { type: 'overloaded_error', code: 'overloaded', message: 'Over "there"', param: null },
    })
    expect(failed).toMatchObject({
      type: 'response.failed',
      sequence_number: 6,
      response: {
        id: context.rid,
        status: 'failed',
        error: { code: 'overloaded', message: 'Over "there"' },
        output: [{ status: 'incomplete', content: [{ text: 'Hel"lo\n' }] }],
      },
    })
    expect(more).toEqual([])
  })

  it('is thrown by OpenAI’s client', async () => {
    await expect(judge(end(half))).rejects.toThrow(OpenAI.APIError)
    const stream = await clientFor(end(half)).responses.create({ model: 'm', input: 'x', stream: true })
    const reading = (async () => {
      for await (const event of stream) expect(event.type).toMatch(/^response\./)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'overloaded', message: 'Over "there"' })
  })

  it('resolves as cancelled when it was cancelled, with what was said', async () => {
    const frames = end(half, cancelled)
    expect(
      toEvents(frames)
        .slice(5)
        .map(({ type }) => type),
    ).toEqual(['response.incomplete'])
    expect(await judge(frames)).toMatchObject({
      status: 'cancelled',
      incomplete_details: { reason: 'cancelled' },
      output_text: 'Hel"lo\n',
    })
  })

  it('begins with the response even if nothing was said before', async () => {
    expect(toEvents(end([])).map(({ type }) => type)).toEqual([
      'response.created',
      'error',
      'response.failed',
    ])
    expect(await judge(end([], cancelled))).toMatchObject({ status: 'cancelled', output: [] })
  })

  it('has one end only', () => {
    expect(end(encode(text))).toEqual(encode(text))
  })
})

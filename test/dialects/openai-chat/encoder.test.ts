import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { GatewayError, type Part } from '#libs/core'
import { clientFor, context, dialect, judge, tellError } from './judge.ts'

function encode(parts: readonly Part[], includeUsage = true) {
  const encoder = dialect.createEncoder({ ...context, includeUsage })
  const frames: string[] = []
  for (const part of parts) frames.push(...encoder.encode(part, frames.length))
  return { frames, chunks: frames.map((frame) => JSON.parse(frame) as Record<string, unknown>), encoder }
}

const usage = { inputTokens: 9, outputTokens: 4, cacheReadTokens: 5, cacheWriteTokens: 1, reasoningTokens: 2 }
const wireUsage = {
  prompt_tokens: 9,
  completion_tokens: 4,
  total_tokens: 13,
  prompt_tokens_details: { cached_tokens: 5, cache_write_tokens: 1 },
  completion_tokens_details: { reasoning_tokens: 2 },
}
const stop = { type: 'finish', reason: { unified: 'stop', raw: 'end_turn' }, usage } as const
const text: Part[] = [
  { type: 'start' },
  { type: 'text-start' },
  { type: 'text-delta', text: 'Hel"lo\n' },
  { type: 'text-delta', text: '💥' },
  { type: 'text-end' },
  stop,
]
const tools: Part[] = [
  { type: 'start' },
  { type: 'reasoning-start' },
  { type: 'reasoning-delta', text: 'hm' },
  { type: 'reasoning-end', signature: 'sig' },
  { type: 'tool-call-start', index: 1, id: 'a', name: 'add', signature: 'thought' },
  { type: 'tool-call-start', index: 2, id: 'b', name: 'sub' },
  { type: 'tool-call-delta', index: 1, arguments: '{"x":' },
  { type: 'tool-call-delta', index: 2, arguments: '{}' },
  { type: 'tool-call-delta', index: 1, arguments: '1}' },
  { type: 'tool-call-end', index: 1 },
  { type: 'tool-call-end', index: 2 },
  { type: 'finish', reason: { unified: 'tool_calls', raw: 'tool_use' }, usage },
]

describe('parts as chat chunks', () => {
  it('begin with the role, end with the finish and then the usage', () => {
    const { chunks, frames, encoder } = encode(text)
    expect(chunks.map((chunk) => chunk.sequence_number)).toEqual([0, 1, 2, 3, 4])
    expect(chunks[0]).toEqual({
      id: context.rid,
      object: 'chat.completion.chunk',
      created: context.createdAt,
      model: context.model,
      sequence_number: 0,
      choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
      usage: null,
    })
    expect(chunks[3]).toMatchObject({
      choices: [{ finish_reason: 'stop', native_finish_reason: 'end_turn' }],
    })
    expect(chunks[4]).toMatchObject({ choices: [], usage: wireUsage })
    expect(frames.join('')).not.toContain('\n')
    expect(encoder.observation).toEqual({ finish: stop.reason, usage })
  })

  it('tell no usage to a client that did not ask', () => {
    const { chunks } = encode(text, false)
    expect(chunks).toHaveLength(4)
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true)
  })

  it('are an answer to OpenAI’s client', async () => {
    const answer = await judge(encode(text).frames)
    expect(answer).toMatchObject({ id: context.rid, usage: wireUsage })
    expect(answer.choices[0]).toMatchObject({ message: { content: 'Hel"lo\n💥' }, finish_reason: 'stop' })
    const called = await judge(encode(tools).frames)
    expect(called.choices[0]?.message.tool_calls).toMatchObject([
      { id: 'a', type: 'function', function: { name: 'add', arguments: '{"x":1}' } },
      { id: 'b', type: 'function', function: { name: 'sub', arguments: '{}' } },
    ])
    const refused = await judge(
      encode([
        { type: 'start' },
        { type: 'refusal-delta', text: 'I ' },
        { type: 'refusal-delta', text: 'won’t.' },
        stop,
      ]).frames,
    )
    expect(refused.choices[0]?.message.refusal).toBe('I won’t.')
  })

  it('never tell a success that no provider claimed', () => {
    const told = (unified: 'refusal' | 'pause' | 'other' | 'length' | 'content_filter', raw: string | null) =>
      encode([{ type: 'finish', reason: { unified, raw } }]).chunks[0]?.choices
    expect(told('refusal', 'refusal')).toMatchObject([
      { finish_reason: 'content_filter', native_finish_reason: 'refusal' },
    ])
    expect(told('pause', 'pause_turn')).toMatchObject([
      { finish_reason: 'other', native_finish_reason: 'pause_turn' },
    ])
    expect(told('other', null)).toEqual([{ index: 0, delta: {}, finish_reason: 'other' }])
    expect(told('length', 'MAX_TOKENS')).toMatchObject([{ finish_reason: 'length' }])
    expect(told('content_filter', 'SAFETY')).toMatchObject([{ finish_reason: 'content_filter' }])
  })

  it('come back with the next turn without loss', () => {
    const answer = JSON.parse(dialect.collect(encode(tools).frames, context)) as {
      choices: { message: object }[]
    }
    const messages = [{ role: 'user', content: 'hi' }, answer.choices[0]?.message]
    expect(dialect.decodeRequest({ model: 'm', messages }, 'm').messages[1]).toEqual({
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'hm', signature: 'sig' },
        { type: 'tool-call', id: 'a', name: 'add', arguments: '{"x":1}', signature: 'thought' },
        { type: 'tool-call', id: 'b', name: 'sub', arguments: '{}' },
      ],
    })
  })
})

describe('an error', () => {
  const error = new GatewayError('upstream_error', 'Over "there"', {
    raw: { type: 'overloaded_error', code: null },
    cause: 'secret',
  }).toJSON()

  it('has all four keys, and the provider’s words before ours', () => {
    const told = { message: 'Over "there"', type: 'overloaded_error', param: null, code: null }
    expect(JSON.parse(dialect.errorBody(error))).toEqual({ error: told })
    expect(JSON.parse(tellError(error, 3))).toEqual({ error: told, sequence_number: 3 })
    const ours = new GatewayError('invalid_request', 'No.', { param: 'n' }).toJSON()
    expect(JSON.parse(dialect.errorBody(ours))).toEqual({
      error: { message: 'No.', type: 'invalid_request_error', param: 'n', code: 'invalid_request' },
    })
  })

  it('is an error event of its stream, and no text can be one', () => {
    const frame = tellError(error, 3)
    expect(dialect.toEvent(frame, 'r:3')).toBe(`id: r:3\nevent: error\ndata: ${frame}\n\n`)
    const [, spoof] = encode([{ type: 'start' }, { type: 'text-delta', text: '{"error":{}}' }]).frames
    expect(dialect.toEvent(String(spoof), 'r:1')).toBe(`id: r:1\ndata: ${spoof}\n\n`)
  })

  it('is thrown by OpenAI’s client after what came before it', async () => {
    const cancelled = new GatewayError('cancelled', 'The run was cancelled.').toJSON()
    const frames = [...encode(text.slice(0, 3)).frames, tellError(cancelled, 2)]
    const stream = await clientFor(frames).chat.completions.create({ model: 'm', messages: [], stream: true })
    const seen: (string | null | undefined)[] = []
    const reading = (async () => {
      for await (const chunk of stream) seen.push(chunk.choices[0]?.delta.content)
    })()
    await expect(reading).rejects.toThrow(OpenAI.APIError)
    await expect(reading).rejects.toMatchObject({ code: 'cancelled', type: 'cancelled_error' })
    expect(seen).toEqual(['', 'Hel"lo\n'])
  })
})

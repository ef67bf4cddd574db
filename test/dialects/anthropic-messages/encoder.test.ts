import { describe, expect, it } from 'vitest'
import type { Part } from '#libs/core'
import { context, dialect, judge } from './judge.ts'

function encode(parts: readonly Part[]): string[] {
  const encoder = dialect.createEncoder(context)
  const frames: string[] = []
  for (const part of parts) frames.push(...encoder.encode(part, frames.length))
  return frames
}

const stop: Part = {
  type: 'finish',
  reason: { unified: 'stop', raw: 'stop' },
  usage: { inputTokens: 30, outputTokens: 7, cacheReadTokens: 20, reasoningTokens: 2 },
}

describe('a translated stream', () => {
  it('is told in the events of Anthropic, each block between its start and its stop', () => {
    const frames = encode([
      { type: 'start' },
      { type: 'text-start' },
      { type: 'text-delta', text: 'Hi' },
      { type: 'text-end' },
      stop,
    ])
    expect(frames.map((frame) => JSON.parse(frame) as unknown)).toEqual([
      {
        type: 'message_start',
        message: {
          id: context.rid,
          type: 'message',
          role: 'assistant',
          model: context.model,
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: { input_tokens: 0, output_tokens: 0 },
        },
      },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } },
      { type: 'content_block_stop', index: 0 },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: {
          input_tokens: 10,
          cache_read_input_tokens: 20,
          output_tokens: 7,
          output_tokens_details: { thinking_tokens: 2 },
        },
      },
      { type: 'message_stop' },
    ])
  })

  it('brings thinking, redacted thinking, text and tools to Anthropic’s client', async () => {
    const message = await judge(
      encode([
        { type: 'start' },
        { type: 'reasoning-start' },
        { type: 'reasoning-delta', text: 'Hm' },
        { type: 'reasoning-delta', text: '.' },
        { type: 'reasoning-end', signature: 'sig==' },
        { type: 'reasoning-start' },
        { type: 'reasoning-end', redacted: 'secret' },
        { type: 'text-start' },
        { type: 'text-delta', text: 'Let me look.' },
        { type: 'citation', citation: { type: 'char_location', cited_text: 'x' } },
        { type: 'text-end' },
        { type: 'tool-call-start', index: 3, id: 'call_1', name: 'look', signature: 'tool-sig' },
        { type: 'tool-call-start', index: 4, id: 'call_2', name: 'see' },
        { type: 'tool-call-delta', index: 3, arguments: '{"a":' },
        { type: 'tool-call-delta', index: 4, arguments: '{}' },
        { type: 'tool-call-delta', index: 3, arguments: '1}' },
        { type: 'tool-call-end', index: 3 },
        { type: 'tool-call-end', index: 4 },
        { type: 'finish', reason: { unified: 'tool_calls', raw: 'tool_calls' } },
      ]),
    )
    expect(message.stop_reason).toBe('tool_use')
    expect(message.content).toMatchObject([
      { type: 'thinking', thinking: 'Hm.', signature: 'sig==' },
      { type: 'redacted_thinking', data: 'secret' },
      { type: 'text', text: 'Let me look.', citations: [{ cited_text: 'x' }] },
      { type: 'tool_use', id: 'call_1', name: 'look', input: { a: 1 }, signature: 'tool-sig' },
      { type: 'tool_use', id: 'call_2', name: 'see', input: {} },
    ])
  })

  it('has no empty blocks, which Anthropic would refuse in the next turn', async () => {
    const frames = encode([{ type: 'start' }, { type: 'text-start' }, { type: 'text-end' }, stop])
    expect((await judge(frames)).content).toEqual([])
  })

  it('ends blocks that the provider left open', () => {
    const frames = encode([{ type: 'tool-call-start', index: 0, id: 'c', name: 'f' }, stop])
    expect(frames.map((frame) => (JSON.parse(frame) as { type: string }).type)).toEqual([
      'message_start',
      'content_block_start',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
  })

  it.each([
    [{ unified: 'stop', raw: 'stop', stopSequence: 'END' }, 'stop_sequence'],
    [{ unified: 'length', raw: 'length' }, 'max_tokens'],
    [{ unified: 'content_filter', raw: 'SAFETY' }, 'refusal'],
    [{ unified: 'pause', raw: null }, 'pause_turn'],
    [{ unified: 'other', raw: 'abort' }, 'other'],
  ] as const)('tells %o as %s', async (reason, expected) => {
    const message = await judge(encode([{ type: 'start' }, { type: 'finish', reason }]))
    expect(message.stop_reason).toBe(expected)
  })
})

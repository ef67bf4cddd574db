import { describe, expect, it } from 'vitest'
import type { Part } from '#libs/core'
import { openaiCompatible } from '#libs/providers'

type Json = Record<string, unknown>

const chunk = (delta: Json, reason: string | null = null): Json => ({
  id: 'c1',
  model: 'm1',
  choices: [{ index: 0, delta, finish_reason: reason }],
})
const usage: Json = {
  id: 'c1',
  choices: [],
  usage: { prompt_tokens: 9, completion_tokens: 4, prompt_tokens_details: { cached_tokens: 5 } },
}
const start: Part = { type: 'start', id: 'c1', model: 'm1' }

function decode(...events: (Json | string)[]): Part[] {
  const toParts = openaiCompatible.adapter!.createDecoder('m')
  return events.flatMap((event) =>
    toParts({ event: undefined, data: typeof event === 'string' ? event : JSON.stringify(event) }),
  )
}

describe('a stream of chat chunks', () => {
  it('is reasoning and text, each between its start and its end', () => {
    const parts = decode(
      chunk({ role: 'assistant', content: '' }),
      chunk({ reasoning_content: 'Hm.' }),
      chunk({ content: 'Hi' }),
      chunk({ content: '!' }),
      chunk({}, 'stop'),
      usage,
      '[DONE]',
    )
    expect(parts).toEqual([
      start,
      { type: 'reasoning-start' },
      { type: 'reasoning-delta', text: 'Hm.' },
      { type: 'reasoning-end' },
      { type: 'text-start' },
      { type: 'text-delta', text: 'Hi' },
      { type: 'text-delta', text: '!' },
      { type: 'text-end' },
      {
        type: 'finish',
        reason: { unified: 'stop', raw: 'stop' },
        usage: { inputTokens: 9, outputTokens: 4, cacheReadTokens: 5 },
      },
    ])
  })

  it('is tool calls, also where a server calls each of them 0 and says stop', () => {
    const call = (id: string, name: string, json: string): Json => ({
      tool_calls: [{ index: 0, id, function: { name, arguments: json } }],
    })
    const parts = decode(
      chunk(call('a', 'f', '{"x":')),
      chunk({ tool_calls: [{ index: 0, id: '', function: { arguments: '1}' } }] }),
      chunk(call('b', 'g', '{}')),
      chunk({}, 'stop'),
      '[DONE]',
    )
    expect(parts).toEqual([
      start,
      { type: 'tool-call-start', index: 0, id: 'a', name: 'f' },
      { type: 'tool-call-delta', index: 0, arguments: '{"x":' },
      { type: 'tool-call-delta', index: 0, arguments: '1}' },
      { type: 'tool-call-start', index: 1, id: 'b', name: 'g' },
      { type: 'tool-call-delta', index: 1, arguments: '{}' },
      { type: 'tool-call-end', index: 0 },
      { type: 'tool-call-end', index: 1 },
      { type: 'finish', reason: { unified: 'tool_calls', raw: 'stop' } },
    ])
  })

  it('has no finish when nobody said one', () => {
    expect(decode(chunk({ content: 'Hi' }), '[DONE]').map(({ type }) => type)).not.toContain('finish')
    expect(decode(chunk({}, 'weird'), '[DONE]').at(-1)).toEqual({
      type: 'finish',
      reason: { unified: 'other', raw: 'weird' },
    })
  })

  it('breaks with the server’s error, and with what is no JSON', () => {
    expect(() => decode({ error: { message: 'Out of memory.' } })).toThrow('Out of memory.')
    expect(() => decode('{"choices":[')).toThrow('no valid JSON')
  })
})

import { describe, expect, it } from 'vitest'
import { continueConversation, readPreviousId, toInputItems } from '#libs/dialects'

const rid = 'resp_0190bbbbbbbb7bbb8ccccccccccccccc'

function inputOf(json: string): unknown[] {
  return (JSON.parse(json) as { input: unknown[] }).input
}

describe('a continued conversation', () => {
  const body = '{"model":"m","instructions":"Rhyme.","input":[{"role":"user","content":"a","x":1.0}]}'
  const answer = JSON.stringify({
    output: [
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'e' },
      { type: 'reasoning', id: 'rs_2', summary: [] },
      { type: 'message', id: 'msg_1', status: 'completed', role: 'assistant', content: [] },
      { type: 'function_call', id: 'fc_1', call_id: 'c', name: 'f', arguments: '{}', status: 'completed' },
      { type: 'function_call', id: 'fc_2', call_id: 'd', name: 'f', arguments: '{"x', status: 'incomplete' },
    ],
  })

  it('is what was asked, what was said and what is asked now, without ids that mean nothing elsewhere', () => {
    const json = continueConversation(`{"previous_response_id":"${rid}","input":"b","y":2.0}`, {
      body,
      answer,
    })
    expect(inputOf(json)).toEqual([
      { role: 'user', content: 'a', x: 1 },
      { type: 'reasoning', summary: [], encrypted_content: 'e' },
      { type: 'message', status: 'completed', role: 'assistant', content: [] },
      { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
      { type: 'message', role: 'user', content: 'b' },
    ])
    expect(json).toContain('"x":1.0')
    expect(json).toMatch(/,"y":2\.0\}$/)
    expect(json).not.toContain('Rhyme')
    expect(readPreviousId(json)).toBe(rid)
  })

  it('can begin with a text, go on without a word, and be continued again', () => {
    const said = '{"output":[{"type":"message","role":"assistant","content":[]}]}'
    const second = continueConversation(`{"previous_response_id":"${rid}"}`, {
      body: '{"input":"a \\"quoted\\" text"}',
      answer: said,
    })
    const third = continueConversation(`{"previous_response_id":"${rid}","input":[]}`, {
      body: second,
      answer: said,
    })
    expect(inputOf(third)).toMatchObject([
      { role: 'user', content: 'a "quoted" text' },
      { role: 'assistant' },
      { role: 'assistant' },
    ])
  })

  it('stays with the provider that keeps its beginning', () => {
    const kept = '{"previous_response_id":"resp_68","input":"a"}'
    const json = continueConversation(`{"input":"b","previous_response_id":"${rid}"}`, {
      body: kept,
      answer: '{"output":[]}',
    })
    expect(readPreviousId(json)).toBe('resp_68')
    expect(inputOf(json)).toHaveLength(2)
  })
})

describe('the input items', () => {
  it('have ids that stay, and parts instead of texts', () => {
    expect(toInputItems('{"input":"hi"}', rid)).toEqual([
      {
        id: expect.stringMatching(/^msg_/) as string,
        type: 'message',
        role: 'user',
        status: 'completed',
        content: [{ type: 'input_text', text: 'hi' }],
      },
    ])
    const input = [
      { role: 'assistant', content: 'so' },
      { type: 'function_call_output', call_id: 'c', output: '3' },
      { type: 'reasoning', id: 'rs_1', summary: [] },
    ]
    const items = toInputItems(JSON.stringify({ input }), rid)
    expect(items).toMatchObject([
      { content: [{ type: 'output_text', text: 'so' }] },
      { type: 'function_call_output', output: '3' },
      { id: 'rs_1' },
    ])
    expect(new Set(items.map(({ id }) => id)).size).toBe(3)
    expect(toInputItems(JSON.stringify({ input }), rid)).toEqual(items)
  })
})

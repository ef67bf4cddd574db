import { describe, expect, it } from 'vitest'
import { GatewayError } from '#libs/core'
import { dialects, getDialect } from '#libs/dialects'
import { context, dialect, judge, tellError } from './judge.ts'

type Answer = Record<string, unknown> & { choices: Record<string, unknown>[] }
const collect = (frames: readonly string[]) => JSON.parse(dialect.collect(frames, context)) as Answer

function frame(choices: object[], more: object = {}): string {
  return JSON.stringify({ id: context.rid, object: 'chat.completion.chunk', model: 'm', choices, ...more })
}
const says = (delta: object, more: object = {}) => frame([{ index: 0, delta, finish_reason: null }], more)

describe('collect', () => {
  it('puts each choice together', () => {
    const token = (text: string) => ({ content: [{ token: text, logprob: -1 }], refusal: null })
    const answer = collect([
      frame([
        { index: 1, delta: { role: 'assistant', content: 'B' }, logprobs: token('B'), finish_reason: null },
      ]),
      frame([{ index: 0, delta: { role: 'assistant', content: 'a' }, finish_reason: null }], {
        service_tier: 'flex',
      }),
      frame([{ index: 1, delta: { content: 'b' }, logprobs: token('b'), finish_reason: null }], {
        service_tier: null,
      }),
      frame([
        {
          index: 0,
          delta: { reasoning_content: 'h' },
          finish_reason: null,
          content_filter_results: { hate: 1 },
        },
      ]),
      frame([{ index: 0, delta: { reasoning_content: 'm' }, finish_reason: 'stop' }]),
      frame([{ index: 1, delta: {}, finish_reason: 'length' }], { obfuscation: 'x', sequence_number: 7 }),
      frame([{ index: 1, delta: {}, finish_reason: 'length' }]),
      frame([], { usage: { prompt_tokens: 1 } }),
    ])
    expect(answer).toEqual({
      id: context.rid,
      object: 'chat.completion',
      created: context.createdAt,
      model: context.model,
      service_tier: 'flex',
      usage: { prompt_tokens: 1 },
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'a', refusal: null, reasoning_content: 'hm' },
          logprobs: null,
          finish_reason: 'stop',
          content_filter_results: { hate: 1 },
        },
        {
          index: 1,
          message: { role: 'assistant', content: 'Bb', refusal: null },
          logprobs: { content: [...token('B').content, ...token('b').content], refusal: null },
          finish_reason: 'length',
        },
      ],
    })
  })

  it('puts tool calls together by their index', () => {
    const call = (delta: object) => says({ tool_calls: [delta] })
    const answer = collect([
      says({ role: 'assistant', content: '' }),
      call({ index: 0, id: 'a', type: 'function', function: { name: 'add', arguments: '' } }),
      call({ index: 1, id: 'b', type: 'function', function: { name: 'sub', arguments: '{' } }),
      call({ index: 0, id: 'a', type: 'function', function: { name: 'add', arguments: '{}' } }),
      call({ index: 1, function: { arguments: '}' } }),
    ])
    expect(answer.choices[0]?.message).toEqual({
      role: 'assistant',
      content: null,
      refusal: null,
      tool_calls: [
        { id: 'a', type: 'function', function: { name: 'add', arguments: '{}' } },
        { id: 'b', type: 'function', function: { name: 'sub', arguments: '{}' } },
      ],
    })
  })

  it('invents no ending for a stream that broke off', () => {
    const error = new GatewayError('cancelled', 'The run was cancelled.').toJSON()
    const answer = collect([says({ role: 'assistant', content: 'Hal' }), tellError(error, 1)])
    expect(answer.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: 'Hal', refusal: null },
        logprobs: null,
        finish_reason: null,
      },
    ])
    expect(answer).not.toHaveProperty('usage')
    expect(collect([]).choices).toEqual([])
  })

  it('leaves prototypes alone', () => {
    const delta = (text: string) =>
      `{"choices":[{"index":0,"delta":{"__proto__":{"polluted":"${text}"},"constructor":{"a":"b"}}}],"__proto__":{"x":1}}`
    const answer = collect([delta('a'), delta('b')])
    expect({}).not.toHaveProperty('polluted')
    expect(JSON.stringify(answer)).toContain('"__proto__":{"polluted":"ab"}')
  })

  it('says whose fault a broken frame is', () => {
    expect(() => dialect.collect(['{"choices":[{]}'], context)).toThrow(
      expect.objectContaining({ code: 'upstream_protocol_error' }),
    )
  })
})

describe('toFrames', () => {
  const answer = {
    id: context.rid,
    object: 'chat.completion',
    created: context.createdAt,
    model: context.model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'Hi', refusal: null, annotations: [{ type: 'url_citation' }] },
        logprobs: { content: [{ token: 'Hi' }], refusal: null },
        finish_reason: 'stop',
      },
      {
        index: 1,
        message: {
          role: 'assistant',
          content: null,
          refusal: null,
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'add', arguments: '{}' } }],
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ],
    usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3, cost: 0.1 },
    system_fingerprint: 'fp',
    extra: { kept: true },
  }

  it('tells a whole answer as a stream that collects to the same answer', async () => {
    const frames = dialect.toFrames(JSON.stringify(answer), context)
    expect(collect(frames)).toEqual(answer)
    expect(frames.map((each) => (JSON.parse(each) as Answer).sequence_number)).toEqual(
      frames.map((_, seq) => seq),
    )
    const judged = await judge(frames)
    expect(judged.choices[0]?.message.content).toBe('Hi')
    expect(judged.choices[1]?.message.tool_calls).toMatchObject([{ id: 'a', function: { name: 'add' } }])
    expect(judged.usage).toEqual(answer.usage)
  })

  it('tells neither usage nor an ending that is not there', () => {
    const partial = { ...answer, choices: [{ ...answer.choices[0], finish_reason: null }] }
    const frames = dialect.toFrames(JSON.stringify(partial), { ...context, includeUsage: false })
    expect(frames.join('')).not.toMatch(/usage|"finish_reason":"/)
    expect(collect(frames).choices).toEqual(partial.choices)
  })
})

describe('the registry', () => {
  it('gives a dialect by its name and refuses another', () => {
    expect(getDialect('openai-chat')).toBe(dialects['openai-chat'])
    for (const name of ['', 'toString', '__proto__', 'openai'])
      expect(() => getDialect(name)).toThrow(/no dialect/)
  })
})

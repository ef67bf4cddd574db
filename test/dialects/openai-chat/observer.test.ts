import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GatewayError } from '#libs/core'
import { context, dialect, judge } from './judge.ts'

const head = {
  id: 'chatcmpl-upstream',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'gpt-upstream',
  service_tier: 'default',
  system_fingerprint: 'fp_1',
}
type Delta = Record<string, unknown>
const chunk = (delta: Delta, reason: string | null = null, more: object = {}) => ({
  ...head,
  choices: [{ index: 0, delta, finish_reason: reason, ...more }],
  usage: null,
  obfuscation: 'x',
})
const usageChunk = {
  ...head,
  choices: [],
  usage: {
    prompt_tokens: 9,
    completion_tokens: 4,
    total_tokens: 13,
    prompt_tokens_details: { cached_tokens: 5 },
  },
}

function observe(events: readonly (string | object)[], includeUsage = true) {
  const observer = dialect.createObserver({ ...context, includeUsage })
  const frames: string[] = []
  for (const event of events) {
    const data = typeof event === 'string' ? event : JSON.stringify(event)
    const frame = observer.observe({ event: undefined, data }, frames.length)
    if (frame !== undefined) frames.push(frame)
  }
  return { observer, frames, chunks: frames.map((frame) => JSON.parse(frame) as Record<string, unknown>) }
}

function failure(act: () => unknown): GatewayError {
  try {
    act()
  } catch (error) {
    if (error instanceof GatewayError) return error
  }
  throw new Error('No GatewayError was thrown.')
}

describe('a native stream', () => {
  it('keeps all that is the provider’s, under our id, name and number', () => {
    const events = [
      chunk({ role: 'assistant', content: '' }),
      chunk({ content: 'Hi' }),
      chunk({}, 'stop'),
      usageChunk,
    ]
    const { chunks, frames, observer } = observe([...events, '[DONE]'])
    expect(chunks).toEqual(
      events.map((event, seq) => ({
        ...event,
        id: context.rid,
        model: context.model,
        created: context.createdAt,
        sequence_number: seq,
      })),
    )
    expect(frames[1]).toBe(
      `{"id":"${context.rid}","object":"chat.completion.chunk","created":1790000000,"model":"fast \\"one\\"","sequence_number":1,` +
        '"service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null,"obfuscation":"x"}',
    )
    expect(observer.ended).toBe(true)
    expect(observer.observation).toEqual({
      finish: { unified: 'stop', raw: 'stop' },
      usage: { inputTokens: 9, outputTokens: 4, cacheReadTokens: 5 },
    })
  })

  it('gives OpenAI’s client the text, the tools and the usage', async () => {
    const call = (delta: object) => chunk({ tool_calls: [{ index: 0, ...delta }] })
    const { frames } = observe([
      chunk({ role: 'assistant', content: null }),
      call({ id: 'call_1', type: 'function', function: { name: 'add', arguments: '' } }),
      call({ function: { arguments: '{"a"' } }),
      call({ function: { arguments: ':1}' } }),
      chunk({}, 'tool_calls'),
      usageChunk,
      '[DONE]',
    ])
    const answer = await judge(frames)
    expect(answer.choices[0]?.message.tool_calls).toMatchObject([
      { id: 'call_1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } },
    ])
    expect(answer.usage?.total_tokens).toBe(13)
  })

  it('is not fooled by text that looks like protocol', () => {
    const trap =
      '{"finish_reason":"stop"} {"error": {"message":"no"}} "usage":{"prompt_tokens":1},"id":"x" "choices":[] [DONE]'
    const { chunks, observer } = observe([
      chunk({ content: 'a' }),
      chunk({ content: trap }),
      chunk({ content: '[DONE]' }),
    ])
    expect(chunks.map((each) => each.choices)).toEqual(
      ['a', trap, '[DONE]'].map((content) => chunk({ content }).choices),
    )
    expect(observer.observation).toEqual({ finish: undefined, usage: undefined })
    expect(observer.ended).toBe(false)
  })

  it('passes on any text unharmed, whichever way the provider spells its JSON', () => {
    const compact = (event: object) => JSON.stringify(event)
    const python = (event: object) => JSON.stringify(event, null, 1).replaceAll(/\n\s*/g, ' ')
    const sorted = (event: object) =>
      JSON.stringify(Object.fromEntries(Object.entries(event).toSorted(([a], [b]) => (a < b ? -1 : 1))))
    const lines = (event: object) => JSON.stringify(event, null, 2)
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }),
        fc.constantFrom(compact, python, sorted, lines),
        (texts, write) => {
          // A spelling with breaks inside strings would be no JSON, and `python` may not touch a text's own.
          const safe = write === python ? texts.map((text) => text.replaceAll(/\s/g, '')) : texts
          const { chunks, frames } = observe(safe.map((content) => write(chunk({ content }))))
          expect(chunks.map((each) => each.choices)).toEqual(
            safe.map((content) => chunk({ content }).choices),
          )
          for (const [seq, each] of chunks.entries()) {
            expect(each).toMatchObject({ id: context.rid, model: context.model, sequence_number: seq })
          }
          expect(frames.join('')).not.toMatch(/[\r\n]/)
        },
      ),
    )
  })

  it('learns the finish, whatever the spacing', () => {
    const written = (reason: string) =>
      `{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": ${reason}}]}`
    const { chunks, observer } = observe([written('null'), written('null'), written('"model_length"')])
    expect(observer.observation.finish).toEqual({ unified: 'length', raw: 'model_length' })
    expect(chunks[2]).toMatchObject({
      choices: [{ finish_reason: 'length', native_finish_reason: 'model_length' }],
    })
  })

  it('keeps what JavaScript could not hold', () => {
    const { frames } = observe([
      '{"id":"c","object":"o","created":1,"model":"m","trace":12345678901234567890,"choices":[{"index":0,"delta":{"content":"a"},"score":1.0}]}',
      '{"id":"c","object":"o","created":1,"model":"m","trace":12345678901234567890,"choices":[{"index":0,"delta":{"content":"b"},"score":1e2}],"z":-0}',
    ])
    expect(frames[0]).toContain(
      '"trace":12345678901234567890,"choices":[{"index":0,"delta":{"content":"a"},"score":1.0}]',
    )
    expect(frames[1]).toContain(
      '"trace":12345678901234567890,"choices":[{"index":0,"delta":{"content":"b"},"score":1e2}],"z":-0}',
    )
  })

  it('replaces a sequence number that is not ours', () => {
    const numbered = (seq: number) => ({ ...chunk({ content: 'a' }), sequence_number: seq + 100 })
    const { chunks } = observe([numbered(0), numbered(1)])
    expect(chunks.map((each) => each.sequence_number)).toEqual([0, 1])
  })

  it('counts the usage that the client did not ask for, and keeps it from them', () => {
    const { frames, observer } = observe(
      [chunk({ content: 'a' }), chunk({}, 'stop'), usageChunk, '[DONE]'],
      false,
    )
    expect(frames).toHaveLength(2)
    expect(observer.observation.usage?.outputTokens).toBe(4)
    expect(JSON.parse(dialect.collect(frames, context, observer.observation.usage))).toMatchObject({
      usage: {
        prompt_tokens: 9,
        completion_tokens: 4,
        total_tokens: 13,
        prompt_tokens_details: { cached_tokens: 5 },
      },
    })
  })

  it('has no frame for empty data', () => {
    expect(observe(['', ' ', chunk({ content: 'a' })]).chunks).toMatchObject([{ sequence_number: 0 }])
  })

  it('says nothing after the provider’s end mark', () => {
    const { frames, observer } = observe([
      chunk({ content: 'a' }),
      ' [DONE]\n',
      chunk({ content: 'b' }),
      'junk',
    ])
    expect(frames).toHaveLength(1)
    expect(observer.ended).toBe(true)
  })

  it('gives a chunk without choices an empty list, so that clients can walk it', () => {
    const filters = { prompt_filter_results: [{ prompt_index: 0 }] }
    const { chunks } = observe([
      { choices: [], created: 0, id: '', model: '', object: '', ...filters },
      { id: 'x', note: 1 },
    ])
    expect(chunks[0]).toMatchObject({ id: context.rid, choices: [], ...filters })
    expect(chunks[1]).toMatchObject({ id: context.rid, choices: [], note: 1 })
  })
})

describe('the tool calls of a native stream', () => {
  const start = (index: number, id: string, name: string) =>
    chunk({ tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] })
  const more = (index: number, text: string, id?: string) =>
    chunk({ tool_calls: [{ index, ...(id !== undefined && { id }), function: { arguments: text } }] })

  it('keep their first id', async () => {
    const { frames } = observe([
      chunk({ role: 'assistant', content: '' }),
      start(0, 'call_1', 'add'),
      more(0, '{"a":', ''),
      more(0, '1}', 'call_other'),
      chunk({}, 'tool_calls'),
    ])
    const ids = frames.flatMap((frame) =>
      [...frame.matchAll(/"id":"(call[^"]*|)"/g)].map((match) => match[1]),
    )
    expect(ids).toEqual(['call_1'])
    expect((await judge(frames)).choices[0]?.message.tool_calls).toMatchObject([
      { id: 'call_1', function: { name: 'add', arguments: '{"a":1}' } },
    ])
  })

  it('are told apart when the provider numbers them all 0', async () => {
    const { frames } = observe([
      chunk({ role: 'assistant', content: '' }),
      start(0, 'call_1', 'add'),
      more(0, '{"a":1}'),
      start(0, 'call_2', 'sub'),
      more(0, '{"b":'),
      more(0, '2}'),
      chunk({}, 'tool_calls'),
    ])
    expect((await judge(frames)).choices[0]?.message.tool_calls).toMatchObject([
      { id: 'call_1', function: { name: 'add', arguments: '{"a":1}' } },
      { id: 'call_2', function: { name: 'sub', arguments: '{"b":2}' } },
    ])
  })

  it('keep the provider’s numbers when those are right, in any order', () => {
    const events = [start(1, 'call_1', 'add'), start(0, 'call_0', 'sub'), more(1, 'x'), more(0, 'y')]
    expect(observe(events).chunks.map((each) => each.choices)).toEqual(events.map((event) => event.choices))
  })
})

describe('an error in a native stream', () => {
  it('is thrown with the provider’s own words', () => {
    const observer = dialect.createObserver(context)
    observer.observe({ event: undefined, data: JSON.stringify(chunk({ content: 'a' })) }, 0)
    const data = '{"error": {"message": "Overloaded", "type": "server_error", "code": 503, "param": null}}'
    const error = failure(() => observer.observe({ event: undefined, data }, 1))
    expect(error).toMatchObject({
      code: 'upstream_error',
      message: 'Overloaded',
      raw: { type: 'server_error', code: '503' },
    })
  })

  it('is known by its event, by its place beside choices, and as mere text', () => {
    const thrown = (event: string | undefined, data: string) =>
      failure(() => dialect.createObserver(context).observe({ event, data }, 0))
    expect(thrown('error', '{"message":"bare","code":"c"}')).toMatchObject({
      message: 'bare',
      raw: { code: 'c' },
    })
    expect(thrown('error', 'gone')).toMatchObject({ code: 'upstream_error', message: 'gone' })
    expect(thrown(undefined, '{"error":"text"}')).toMatchObject({ code: 'upstream_error', message: 'text' })
    const routed = { ...chunk({}, 'error'), error: { message: 'no', code: 502 } }
    expect(thrown(undefined, JSON.stringify(routed))).toMatchObject({ code: 'upstream_error', message: 'no' })
  })

  it('is found in a chunk that begins like the others', () => {
    const observer = dialect.createObserver(context)
    observer.observe({ event: undefined, data: JSON.stringify(chunk({ content: 'a' })) }, 0)
    const data = JSON.stringify({ ...chunk({}), error: { message: 'late' } })
    expect(failure(() => observer.observe({ event: undefined, data }, 1)).message).toBe('late')
  })

  it('is an upstream_protocol_error when what comes is no JSON object', () => {
    for (const data of ['{"id":"x","choices":[{"del', '[1]', 'null', '<html>', '{not json}']) {
      const error = failure(() => dialect.createObserver(context).observe({ event: undefined, data }, 0))
      expect(error.code).toBe('upstream_protocol_error')
    }
  })
})

describe('a native answer', () => {
  const answer =
    '{ "id": "up", "object": "chat.completion", "created": 5, "model": "gpt-up", "choices": [{"index":0,"message":{"role":"assistant","content":"Hi","x":1.0},"finish_reason":"length"}],' +
    '"usage":{"prompt_tokens":3,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":1}}, "extra":12345678901234567890 }'

  it('changes in its id and its model only', () => {
    const observer = dialect.createObserver(context)
    expect(observer.observeAnswer(answer)).toBe(
      answer.replace('"up"', JSON.stringify(context.rid)).replace('"gpt-up"', JSON.stringify(context.model)),
    )
    expect(observer.observation).toEqual({
      finish: { unified: 'length', raw: 'length' },
      usage: { inputTokens: 3, outputTokens: 2, reasoningTokens: 1 },
    })
    expect(observer.ended).toBe(true)
  })

  it('gets the id and the model that it lacks', () => {
    const named = dialect.createObserver(context).observeAnswer('{"choices":[]}')
    expect(JSON.parse(named)).toEqual({ id: context.rid, model: context.model, choices: [] })
  })

  it('that is an error or no answer is refused', () => {
    const refused = (json: string) => failure(() => dialect.createObserver(context).observeAnswer(json)).code
    expect(refused('{"error":{"message":"no"}}')).toBe('upstream_error')
    for (const json of ['{}', '', '[]', '<html>', '{"choices":null}']) {
      expect(refused(json)).toBe('upstream_protocol_error')
    }
  })
})

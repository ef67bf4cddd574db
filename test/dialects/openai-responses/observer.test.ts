import { describe, expect, it } from 'vitest'
import { GatewayError } from '#libs/core'
import { answerText, streamEvents, streamFrames } from './fixture.ts'
import { context, dialect, judge, toEvents } from './judge.ts'

const previous = 'resp_0190bbbbbbbb7bbb8ccccccccccccccc'

function observe(...events: string[]) {
  const observer = dialect.createObserver(context)
  return { observer, frames: events.map((data, seq) => observer.observe({ event: undefined, data }, seq)) }
}

describe('a native stream', () => {
  it('keeps every byte but our id, our name of the model and the numbers', () => {
    const sent = streamEvents().filter(({ event }) => event !== 'keepalive')
    const expected = sent.map(({ data }, seq) =>
      data
        .replace(/"sequence_number":\d+(?=[,}])/, `"sequence_number":${seq}`)
        .replace('"id":"resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654"', `"id":"${context.rid}"`)
        .replace('"model":"gpt-5.1-2025-11-13"', `"model":${JSON.stringify(context.model)}`),
    )
    expect(streamFrames()).toEqual(expected)
  })

  it('is the same text, and not a copy, where nothing had to change', () => {
    const delta = streamEvents().find(({ data }) => data.includes('0.50'))
    expect(streamFrames()).toContain(delta?.data)
    expect(delta?.data).toContain('"x_score":0.50')
  })

  it('is numbered on behind an event that was dropped', () => {
    expect(toEvents(streamFrames()).map((event) => event.sequence_number)).toEqual([...streamFrames().keys()])
  })

  it('is what OpenAI’s accumulator expects', async () => {
    expect(await judge(streamFrames())).toMatchObject({
      id: context.rid,
      model: context.model,
      status: 'completed',
      output_text: 'It is "3"',
    })
  })

  it('teaches usage and why it ended', () => {
    const observer = dialect.createObserver(context)
    for (const [seq, event] of streamEvents().entries()) observer.observe(event, seq)
    expect(observer.ended).toBe(true)
    expect(observer.observation).toEqual({
      finish: { unified: 'tool_calls', raw: 'completed' },
      usage: {
        inputTokens: 37,
        outputTokens: 12,
        cacheReadTokens: 11,
        cacheWriteTokens: 2,
        reasoningTokens: 5,
      },
    })
  })

  it('says of the background and of the previous response what the client knows', () => {
    const request = JSON.stringify({
      model: 'm',
      input: [],
      background: true,
      previous_response_id: previous,
    })
    const [created] = toEvents(streamFrames(request))
    expect(created?.response).toMatchObject({ background: true, previous_response_id: previous })
    const foreign = JSON.stringify({ model: 'm', previous_response_id: 'resp_68' })
    expect(toEvents(streamFrames(foreign))[0]?.response).toMatchObject({ previous_response_id: null })
  })

  it('gets numbers and an id where the provider has none', () => {
    const { frames } = observe(
      '{"type":"response.created","response":{"object":"response","output":[]}}',
      '{"delta":"x", "type":"response.output_text.delta"}',
      '{ "response" : {"id":"r"} ,"sequence_number": 40, "type":"response.in_progress" }',
      '{"type":"response.output_text.delta","delta":"\\"sequence_number\\":9","sequence_number" : 7}',
    )
    expect(frames.map((frame) => JSON.parse(frame ?? '') as object)).toMatchObject([
      { sequence_number: 0, response: { id: context.rid, model: context.model } },
      { sequence_number: 1, delta: 'x' },
      { sequence_number: 2, response: { id: context.rid } },
      { sequence_number: 3, delta: '"sequence_number":9' },
    ])
    expect(frames[1]).toBe('{"sequence_number":1,"delta":"x", "type":"response.output_text.delta"}')
  })

  it('loses what is no event of a response, and all that comes behind the end', () => {
    const done = '{"type":"response.completed","response":{"status":"completed"}}'
    const { frames, observer } = observe('', '{"type":"ping"}', '{"type":"acme:note"}', '[DONE]')
    expect(frames).toEqual([undefined, undefined, undefined, undefined])
    expect(observer.ended).toBe(false)
    expect(observer.observe({ event: undefined, data: done }, 0)).toBeDefined()
    expect(observer.observe({ event: undefined, data: done }, 1)).toBeUndefined()
  })

  it('may end before its answer is whole', () => {
    const end = (details: string) =>
      observe(
        `{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":${details}}}`,
      ).observer.observation.finish
    expect(end('{"reason":"max_output_tokens"}')).toEqual({ unified: 'length', raw: 'max_output_tokens' })
    expect(end('{"reason":"content_filter"}')).toEqual({ unified: 'content_filter', raw: 'content_filter' })
    expect(end('{"reason":"steered"}')).toEqual({ unified: 'other', raw: 'steered' })
    expect(end('null')).toEqual({ unified: 'other', raw: 'incomplete' })
  })

  it.each([
    ['{"type":"error","code":"rate_limit_exceeded","message":"Slow down","param":null,"sequence_number":3}'],
    ['{"type":"error","error":{"type":"rate","code":"rate_limit_exceeded","message":"Slow down"}}'],
    ['{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded","message":"Slow down"}}}'],
  ])('throws the error that it tells: %s', (data) => {
    const observer = dialect.createObserver(context)
    try {
      observer.observe({ event: undefined, data }, 0)
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(GatewayError)
      expect(error).toMatchObject({
        code: 'upstream_error',
        message: 'Slow down',
        raw: { code: 'rate_limit_exceeded' },
      })
    }
  })

  it.each([
    ['{"type":"response.created","response":[]}'],
    ['{"type":"response.completed","response":{"status":oops}}'],
    ['{"type":"response.output_item.added","item":{'],
    ['{"type":"response.output_text.delta","delta":"x"'],
  ])('refuses what is no event: %s', (data) => {
    expect(() => observe(data)).toThrow(/no (?:JSON object|valid JSON)/)
  })
})

describe('a native answer', () => {
  it('keeps every byte but our id and our name of the model', () => {
    const observer = dialect.createObserver(context)
    expect(observer.observeAnswer(answerText)).toBe(
      answerText
        .replace('resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654', context.rid)
        .replace('"gpt-5.1-2025-11-13"', JSON.stringify(context.model)),
    )
    expect(observer.observation.finish).toEqual({ unified: 'tool_calls', raw: 'completed' })
    expect(observer.observation.usage).toMatchObject({ inputTokens: 37, outputTokens: 12 })
  })

  it('is refused when it is none', () => {
    const read = (json: string) => () => dialect.createObserver(context).observeAnswer(json)
    expect(read('[]')).toThrow(/no (?:JSON object|valid JSON)/)
    expect(read('{"id":"x"}')).toThrow(/without `output`/)
    expect(read('{"output":[],"status":"failed","error":{"message":"Broke"}}')).toThrow('Broke')
  })
})

describe('the native request', () => {
  const toNative = (json: string, stream = false) =>
    dialect.toNativeRequest(json, { model: 'gpt-5.1', stream })

  it('changes the model and nothing else', () => {
    expect(toNative('{ "model": "fast", "x": 1.0, "input":[{"model":"a"}] }')).toBe(
      '{ "model": "gpt-5.1", "x": 1.0, "input":[{"model":"a"}] }',
    )
  })

  it('streams when the run does, and waits nowhere but here', () => {
    expect(toNative('{"model":"fast","background":true,"stream":false}', true)).toBe(
      '{"model":"gpt-5.1","background":false,"stream":true}',
    )
    expect(toNative('{"model":"fast"}', true)).toBe('{"stream":true,"model":"gpt-5.1"}')
  })

  it('names a previous response only if it is the provider’s', () => {
    expect(toNative(`{"previous_response_id":"${previous}","model":"m"}`)).toBe(
      '{"previous_response_id":null,"model":"gpt-5.1"}',
    )
    expect(toNative('{"previous_response_id":"resp_68","model":"m"}')).toContain('"resp_68"')
  })
})

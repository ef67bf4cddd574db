import { describe, expect, it } from 'vitest'
import { readFixture } from '../../support/anthropic-upstream.ts'
import { context, dialect, eventsOf, failure, judge } from './judge.ts'

async function observe(fixture: string) {
  const observer = dialect.createObserver(context)
  const frames: string[] = []
  for (const event of await eventsOf(fixture)) {
    const frame = observer.observe(event, frames.length)
    if (frame !== undefined) frames.push(frame)
  }
  return { observer, frames }
}

describe('a native stream', () => {
  it('passes as it came, but for the id and the model of its message', async () => {
    const { frames } = await observe('text.sse')
    const sent = (await eventsOf('text.sse')).filter(({ event }) => event !== 'ping').map(({ data }) => data)

    expect(frames.slice(1)).toEqual(sent.slice(1))
    expect(frames[0]).toBe(
      sent[0]!
        .replace('"msg_01UpstreamText"', JSON.stringify(context.rid))
        .replace('"claude-sonnet-4-5-20250929"', JSON.stringify(context.model)),
    )
  })

  it('tells what was used and why it ended', async () => {
    const { observer } = await observe('text.sse')
    expect(observer.ended).toBe(true)
    expect(observer.observation).toEqual({
      finish: { unified: 'stop', raw: 'end_turn' },
      usage: { inputTokens: 1025, outputTokens: 15, cacheReadTokens: 900, cacheWriteTokens: 100 },
    })
  })

  it('keeps the fields of a later version for the client', async () => {
    const { frames, observer } = await observe('text-2026-10-21.sse')
    const message = await judge(frames)
    expect(message).toMatchObject({
      id: context.rid,
      stop_reason: 'refusal',
      stop_details: { category: 'cyber' },
      content: [{ type: 'thinking', signature: 'EqQBCgIYAhIM2026' }, { type: 'text' }],
      usage: { inference_geo: 'eu', output_tokens_details: { thinking_tokens: 31 } },
    })
    expect(observer.observation.usage).toEqual({
      inputTokens: 30,
      outputTokens: 44,
      cacheReadTokens: 0,
      cacheWriteTokens: 0,
      reasoningTokens: 31,
    })
  })

  it('is accepted by Anthropic’s client with thinking, tools and citations', async () => {
    const thinking = await judge((await observe('thinking.sse')).frames)
    expect(thinking.content.map(({ type }) => type)).toEqual(['thinking', 'redacted_thinking', 'text'])
    const tools = await judge((await observe('tool-use.sse')).frames)
    expect(tools.content[1]).toMatchObject({ input: { location: 'San Francisco' } })
    const citations = await judge((await observe('citations.sse')).frames)
    expect(citations.content[0]).toMatchObject({ citations: [{ cited_text: 'The grass is green.' }] })
  })

  it('throws the provider’s error, and has not ended', async () => {
    const observer = dialect.createObserver(context)
    const events = await eventsOf('overloaded.sse')
    const error = failure(() => events.forEach((event, seq) => observer.observe(event, seq)))
    expect(error.toJSON()).toMatchObject({
      code: 'upstream_error',
      message: 'Overloaded',
      status: 529,
      raw: { type: 'overloaded_error' },
    })
    expect(observer.ended).toBe(false)
  })

  it('puts the type first where a server has it elsewhere or only as the event’s name', () => {
    const observer = dialect.createObserver(context)
    const delta = '"index":0,"delta":{"type":"text_delta","text":"\\u007b"}'
    const last = observer.observe(
      { event: 'content_block_delta', data: `{${delta},"type":"content_block_delta"}` },
      0,
    )
    expect(last).toBe(`{"type":"content_block_delta",${delta}}`)
    expect(observer.observe({ event: 'content_block_delta', data: `{${delta}}` }, 1)).toBe(last)
    expect(observer.observe({ event: undefined, data: last! }, 2)).toBe(last)
  })

  it('passes events it does not know, and none for pings and empty data', () => {
    const observer = dialect.createObserver(context)
    const unknown = '{"type":"later_event","x":[1.0]}'
    expect(observer.observe({ event: 'later_event', data: unknown }, 0)).toBe(unknown)
    expect(dialect.toEvent(unknown, 'r:0')).toBe(`event: later_event\ndata: ${unknown}\nid: r:0\n\n`)
    for (const data of ['{"type":"ping"}', '', '[DONE]']) {
      expect(observer.observe({ event: undefined, data }, 1)).toBeUndefined()
    }
  })

  it('refuses an event that is cut off', () => {
    const observer = dialect.createObserver(context)
    const data = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel'
    expect(failure(() => observer.observe({ event: 'content_block_delta', data }, 0)).code).toBe(
      'upstream_protocol_error',
    )
  })
})

describe('a native answer', () => {
  it('keeps every byte but those of its id and model', async () => {
    const json = await readFixture('text.json')
    const observer = dialect.createObserver(context)
    expect(observer.observeAnswer(json)).toBe(
      json
        .replace('"msg_01UpstreamText"', JSON.stringify(context.rid))
        .replace('"claude-sonnet-4-5-20250929"', JSON.stringify(context.model)),
    )
    expect(observer.observation.finish).toEqual({
      unified: 'stop',
      raw: 'stop_sequence',
      stopSequence: 'END',
    })
  })

  it('is refused when it is no message', () => {
    const observer = dialect.createObserver(context)
    expect(failure(() => observer.observeAnswer('{"choices":[]}')).code).toBe('upstream_protocol_error')
    expect(failure(() => observer.observeAnswer('<html>')).code).toBe('upstream_protocol_error')
  })
})

it('a native request changes in its model alone', () => {
  const json = '{ "model" : "smart", "max_tokens":1.0, "x":{"model":"inner"},"n":12345678901234567890 }'
  expect(dialect.toNativeRequest(json, { model: 'claude', stream: false })).toBe(
    json.replace('"smart"', '"claude"'),
  )
})

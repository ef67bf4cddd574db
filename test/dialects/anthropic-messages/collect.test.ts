import { describe, expect, it } from 'vitest'
import { readFixture } from '../../support/anthropic-upstream.ts'
import { context, dialect, eventsOf, judge } from './judge.ts'

const fixtures = ['text.sse', 'text-2026-10-21.sse', 'tool-use.sse', 'thinking.sse', 'citations.sse']

async function framesOf(fixture: string): Promise<string[]> {
  const observer = dialect.createObserver(context)
  return (await eventsOf(fixture))
    .map((event, seq) => observer.observe(event, seq))
    .filter((frame) => frame !== undefined)
}

function plain(message: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(message)) as Record<string, unknown>
}

describe('collecting', () => {
  it.each(fixtures)('gives what Anthropic’s own accumulator makes of %s', async (fixture) => {
    const frames = await framesOf(fixture)
    const { parsed_output: _, ...theirs } = plain(await judge(frames))
    expect(JSON.parse(dialect.collect(frames, context))).toMatchObject(theirs)
  })

  it.each(fixtures)('undoes what telling an answer as a stream does, for %s', async (fixture) => {
    const answer = dialect.collect(await framesOf(fixture), context)
    const frames = dialect.toFrames(answer, context)
    expect(JSON.parse(dialect.collect(frames, context))).toEqual(JSON.parse(answer))
    expect(plain(await judge(frames))).toMatchObject(JSON.parse(answer) as object)
  })

  it('tells a whole answer as a stream with the fields of later versions', async () => {
    const frames = dialect.toFrames(await readFixture('text.json'), context)
    expect(await judge(frames)).toMatchObject({
      id: context.rid,
      model: context.model,
      content: [{ type: 'text', text: 'Hello, wörld 🌍!' }],
      stop_reason: 'stop_sequence',
      stop_sequence: 'END',
      usage: { cache_read_input_tokens: 900 },
      x_later_field: {},
    })
  })

  it('gives what was said until a stream broke off, and no reason for its end', async () => {
    const broken = (await framesOf('tool-use.sse')).slice(0, 7)
    expect(JSON.parse(dialect.collect(broken, context))).toMatchObject({
      content: [
        { type: 'text', text: 'Let me look.' },
        { type: 'tool_use', input: {}, partial_json: '{"location":' },
      ],
      stop_reason: null,
    })
  })

  it('gives an empty message for no frames, with the usage that was observed', () => {
    expect(JSON.parse(dialect.collect([], context, { inputTokens: 5, outputTokens: 2 }))).toMatchObject({
      id: context.rid,
      model: context.model,
      content: [],
      usage: { input_tokens: 5, output_tokens: 2 },
    })
  })
})

import { describe, expect, it } from 'vitest'
import { GatewayError, type Part } from '#libs/core'
import { context, dialect, encode, judge, toEvents } from './judge.ts'
import { answer as fixtureAnswer, streamFrames } from './fixture.ts'

const collect = (frames: readonly string[]) =>
  JSON.parse(dialect.collect(frames, context)) as Record<string, unknown>

const parts: Part[] = [
  { type: 'start' },
  { type: 'reasoning-start' },
  { type: 'reasoning-delta', text: 'hm' },
  { type: 'reasoning-end', signature: 's' },
  { type: 'text-start' },
  { type: 'text-delta', text: 'a' },
  { type: 'text-delta', text: 'b' },
  { type: 'text-end' },
  { type: 'tool-call-start', index: 0, id: 'c', name: 'add' },
  { type: 'tool-call-delta', index: 0, arguments: '{}' },
  { type: 'tool-call-end', index: 0 },
  {
    type: 'finish',
    reason: { unified: 'tool_calls', raw: null },
    usage: { inputTokens: 1, outputTokens: 2 },
  },
]

/** The accumulator adds what it has parsed. */
function withoutParsed(output: unknown): unknown {
  return JSON.parse(
    JSON.stringify(output, (key, value: unknown) => (key.startsWith('parsed') ? undefined : value)),
  )
}

describe('collect', () => {
  it('gives the text of the last event’s response, unknown fields and all', () => {
    const frames = streamFrames()
    expect(frames.at(-1)).toContain(dialect.collect(frames, context))
    expect(dialect.collect(frames, context)).toContain('"x_shard":12345678901234567890')
  })

  it('gives of every beginning of a stream what OpenAI’s accumulator has by then', async () => {
    for (const frames of [encode(parts), streamFrames()]) {
      const end = JSON.parse(frames.at(-1) ?? '') as { response: object }
      for (let count = 1; count < frames.length; count++) {
        const told = frames.slice(0, count)
        const half = collect(told)
        const failed = { type: 'response.incomplete', response: { ...end.response, output: undefined } }
        const judged = await judge([...told, JSON.stringify({ ...failed, sequence_number: count })])
        expect(half.output).toEqual(withoutParsed(judged.output))
        expect(half.status).toBe('in_progress')
      }
    }
  })

  it('begins with what the request says when nothing was told', () => {
    const request = '{"model":"m","input":"x","metadata":{"a":"b"}}'
    expect(JSON.parse(dialect.collect([], { ...context, request }))).toMatchObject({
      id: context.rid,
      status: 'in_progress',
      output: [],
      metadata: { a: 'b' },
    })
  })

  it('passes over a frame that is no JSON, since an answer must end whatever its provider wrote', () => {
    const frames = [...encode(parts).slice(0, 3), '{"type":"response.output_text.delta","delta":oops}']
    expect(collect(frames)).toMatchObject({ status: 'in_progress', output: [{ type: 'reasoning' }] })
    const error = new GatewayError('upstream_incomplete', 'Gone.').toJSON()
    expect(dialect.errorFrames(error, 4, { context, frames })).toHaveLength(2)
  })

  it('makes no room for an index that no stream can have reached', () => {
    const [created = ''] = encode(parts)
    const item = { type: 'message', content: [] }
    const far = JSON.stringify({ type: 'response.output_item.added', output_index: 4_000_000_000, item })
    const near = JSON.stringify({ type: 'response.output_item.added', output_index: 0, item })
    const delta = { type: 'response.output_text.delta', output_index: 0, content_index: 9, delta: 'x' }
    const odd = JSON.stringify({ type: 'response.output_item.added', output_index: 0.5, item })
    expect(collect([created, far, odd, near, JSON.stringify(delta)]).output).toEqual([item])
  })
})

describe('a whole answer as a stream', () => {
  it('is the same answer to OpenAI’s accumulator', async () => {
    for (const answer of [dialect.collect(encode(parts), context), fixtureAnswer()]) {
      const frames = dialect.toFrames(answer, context)
      expect(toEvents(frames).map((event) => event.sequence_number)).toEqual([...frames.keys()])
      expect(await judge(frames)).toMatchObject(JSON.parse(answer) as object)
    }
  })

  it('says how it ended', () => {
    const answer = { id: context.rid, status: 'incomplete', output: [] }
    const types = toEvents(dialect.toFrames(JSON.stringify(answer), context)).map(({ type }) => type)
    expect(types).toEqual(['response.created', 'response.in_progress', 'response.incomplete'])
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FinishReason, Part } from '#libs/core'
import { readFixture } from '../../support/gemini-upstream.ts'
import { chunk, clientFor, context, dialect, failure, judge, observe } from './judge.ts'

function encode(parts: readonly Part[]): string[] {
  const encoder = dialect.createEncoder(context)
  return parts.flatMap((part) => encoder.encode(part, 0))
}

const finish = (unified: FinishReason['unified'], raw: string | null = null): Part => ({
  type: 'finish',
  reason: { unified, raw },
  usage: { inputTokens: 9, outputTokens: 7, reasoningTokens: 3, cacheReadTokens: 4 },
})

describe('a native stream', () => {
  it('changes in its responseId only', async () => {
    const events = (await readFixture('stream-text.sse'))
      .trim()
      .split('\n\n')
      .map((event) => event.slice(6))
    const { frames, observation } = observe(events)
    expect(frames).toEqual(
      events.map((event) =>
        event.replace('"responseId": "Q2x5aXJ1bi1pZC0x"', `"responseId":"${context.rid}"`),
      ),
    )
    expect(observation).toEqual({
      finish: { unified: 'stop', raw: 'STOP' },
      usage: { inputTokens: 8, outputTokens: 21, cacheReadTokens: 4, reasoningTokens: 12 },
    })
    expect((await judge(frames)).map((each) => each.text).join('')).toBe(
      'The quick brown "fox" – naïve\njumps.',
    )
  })

  it('passes any text on unharmed, whichever way the provider spells its JSON', () => {
    const spellings = [
      (event: object) => JSON.stringify(event),
      (event: object) => JSON.stringify(event, null, 2),
      ({ responseId, ...event }: { responseId: string }) => JSON.stringify({ responseId, ...event }),
      ({ responseId: _responseId, ...event }: { responseId: string }) => JSON.stringify(event),
    ]
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(...spellings),
        (texts, spell) => {
          const { frames } = observe(texts.map((text) => spell(chunk([{ text }]))))
          expect(frames.map((frame) => JSON.parse(frame) as unknown)).toEqual(
            texts.map((text) => ({ ...chunk([{ text }]), responseId: context.rid })),
          )
          expect(frames.join('')).not.toMatch(/[\r\n]/)
        },
      ),
    )
  })

  it('is not fooled by text and arguments that look like protocol', () => {
    const trap = '"finishReason":"STOP","error":{"code":500},"responseId":"upstream"}'
    const call = {
      functionCall: { name: 'f', args: { error: { code: 1 }, finishReason: 'SAFETY', responseId: 'x' } },
    }
    const { frames, observation } = observe([chunk([{ text: 'a' }]), chunk([{ text: trap }]), chunk([call])])
    expect(observation.finish).toBeUndefined()
    expect(JSON.parse(frames[1] ?? '')).toEqual({ ...chunk([{ text: trap }]), responseId: context.rid })
    expect(JSON.parse(frames[2] ?? '')).toEqual({ ...chunk([call]), responseId: context.rid })
  })

  it('learns why it ended, also where the prompt was blocked', () => {
    expect(observe([chunk([], { finishReason: 'MAX_TOKENS' })]).observation.finish).toEqual({
      unified: 'length',
      raw: 'MAX_TOKENS',
    })
    expect(observe([{ promptFeedback: { blockReason: 'SAFETY' } }]).observation.finish).toEqual({
      unified: 'content_filter',
      raw: 'SAFETY',
    })
  })

  it('throws the provider’s error, and what is no chunk', () => {
    const error = { code: 503, message: 'Overloaded.', status: 'UNAVAILABLE' }
    expect(failure(() => observe([chunk([{ text: 'a' }]), { error }]))).toMatchObject({
      code: 'upstream_error',
      message: 'Overloaded.',
      raw: { type: 'UNAVAILABLE', code: '503' },
    })
    for (const data of ['[1]', 'null', '<html>', '{"candidates":[']) {
      expect(failure(() => observe([data]))).toMatchObject({ code: 'upstream_protocol_error' })
    }
  })

  it('lets a whole answer pass, and nothing that is none', async () => {
    const answer = await readFixture('answer.json')
    const observer = dialect.createObserver(context)
    expect(observer.observeAnswer(answer)).toBe(
      answer.replace('"responseId": "YW5zd2Vy"', `"responseId":"${context.rid}"`),
    )
    expect(observer.observation).toMatchObject({ finish: { raw: 'STOP' }, usage: { outputTokens: 5 } })
    for (const json of ['{}', '[]', '<html>']) {
      const act = () => dialect.createObserver(context).observeAnswer(json)
      expect(failure(act)).toMatchObject({ code: 'upstream_protocol_error' })
    }
  })
})

describe('parts as Gemini’s chunks', () => {
  const parts: Part[] = [
    { type: 'start', id: 'x', model: 'llama-9' },
    { type: 'reasoning-start' },
    { type: 'reasoning-delta', text: 'Hm' },
    { type: 'reasoning-end', signature: 'c2ln' },
    { type: 'text-start' },
    { type: 'text-delta', text: 'Né, ' },
    { type: 'text-delta', text: 'yes.' },
    { type: 'text-end' },
    {
      type: 'citation',
      citation: {
        type: 'url_citation',
        url_citation: { start_index: 4, end_index: 8, url: 'u', title: 't' },
      },
    },
    { type: 'tool-call-start', index: 0, id: 'call_1', name: 'add', signature: 'c2lnMg==' },
    { type: 'tool-call-start', index: 1, id: 'call_2', name: 'now' },
    { type: 'tool-call-delta', index: 0, arguments: '{"a":' },
    { type: 'tool-call-delta', index: 0, arguments: '1}' },
    { type: 'tool-call-end', index: 0 },
    { type: 'tool-call-end', index: 1 },
    finish('tool_calls'),
  ]

  it('are what Google’s client reads', async () => {
    const chunks = await judge(encode(parts))
    const told = chunks.flatMap((each) => each.candidates?.[0]?.content?.parts ?? [])
    expect(told.map(({ text = '', thought }) => (thought ? '' : text)).join('')).toBe('Né, yes.')
    expect(told.flatMap(({ functionCall }) => functionCall ?? [])).toEqual([
      { id: 'call_1', name: 'add', args: { a: 1 } },
      { id: 'call_2', name: 'now', args: {} },
    ])
    expect(chunks[0]).toMatchObject({ modelVersion: 'llama-9', responseId: context.rid })
    expect(chunks.at(-1)).toMatchObject({
      candidates: [
        {
          finishReason: 'STOP',
          citationMetadata: { citations: [{ startIndex: 5, endIndex: 9, uri: 'u', title: 't' }] },
        },
      ],
      usageMetadata: {
        promptTokenCount: 9,
        candidatesTokenCount: 4,
        thoughtsTokenCount: 3,
        cachedContentTokenCount: 4,
        totalTokenCount: 16,
      },
    })
  })

  it('make a turn that its chat remembers, and that comes back as what it was', async () => {
    const chat = clientFor(encode(parts)).chats.create({ model: 'any' })
    for await (const _chunk of await chat.sendMessageStream({ message: 'Hi' }));
    const { messages } = dialect.decodeRequest({ contents: chat.getHistory(true) }, 'm')
    expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant'])
    expect(messages[1]?.content).toEqual([
      { type: 'reasoning', text: 'Hm', signature: 'c2ln' },
      { type: 'text', text: 'Né, yes.' },
      { type: 'tool-call', id: 'call_1', name: 'add', arguments: '{"a":1}', signature: 'c2lnMg==' },
      { type: 'tool-call', id: 'call_2', name: 'now', arguments: '{}' },
    ])
  })

  it('bring back reasoning that was hidden', () => {
    const frames = encode([{ type: 'reasoning-start' }, { type: 'reasoning-end', redacted: 'b3BhcXVl' }])
    const [candidate] = (JSON.parse(frames[0] ?? '') as { candidates: { content: object }[] }).candidates
    const { messages } = dialect.decodeRequest({ contents: [candidate?.content] }, 'm')
    expect(messages[0]?.content).toEqual([{ type: 'reasoning', text: '', redacted: 'b3BhcXVl' }])
  })

  it('say so when a call is broken, unless the answer was cut off anyway', () => {
    const broken: Part[] = [
      { type: 'tool-call-start', index: 0, id: 'c', name: 'f' },
      { type: 'tool-call-delta', index: 0, arguments: '{"a":' },
    ]
    const last = (end: Part) => JSON.parse(encode([...broken, end]).at(-1) ?? '') as object
    expect(last(finish('tool_calls'))).toMatchObject({
      candidates: [
        { finishReason: 'MALFORMED_FUNCTION_CALL', finishMessage: 'Malformed function call: f({"a":)' },
      ],
    })
    expect(last(finish('length'))).toMatchObject({ candidates: [{ finishReason: 'MAX_TOKENS' }] })
  })

  it('never tell a success that no provider claimed', () => {
    const told = (unified: FinishReason['unified']) =>
      (JSON.parse(encode([finish(unified)])[0] ?? '') as { candidates: { finishReason: string }[] })
        .candidates[0]?.finishReason
    expect(
      ['stop', 'length', 'content_filter', 'refusal', 'pause', 'other'].map((each) => told(each as 'stop')),
    ).toEqual(['STOP', 'MAX_TOKENS', 'SAFETY', 'SAFETY', 'OTHER', 'OTHER'])
  })
})

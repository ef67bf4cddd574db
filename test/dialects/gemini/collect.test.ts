import { describe, expect, it } from 'vitest'
import { GatewayError } from '#libs/core'
import { readFixture } from '../../support/gemini-upstream.ts'
import { chunk, context, dialect, judge, observe } from './judge.ts'

describe('a stream put together', () => {
  it('is the answer that a call in one piece would have got', async () => {
    const events = (await readFixture('stream-tools.sse'))
      .trim()
      .split('\n\n')
      .map((event) => event.slice(6))
    const { frames } = observe(events)
    expect(JSON.parse(dialect.collect(frames, context))).toEqual({
      candidates: [
        {
          content: {
            role: 'model',
            parts: [
              { text: '**Weighing the weather**', thought: true },
              {
                functionCall: { name: 'get_weather', args: { city: 'Paris', error: null } },
                thoughtSignature: 'EqQBCqEBAXLI2nxFirstSignature==',
              },
              { functionCall: { id: 'fc_2', name: 'get_weather', args: { city: 'Rome' } } },
            ],
          },
          finishReason: 'STOP',
          index: 0,
        },
      ],
      usageMetadata: {
        promptTokenCount: 61,
        candidatesTokenCount: 32,
        totalTokenCount: 133,
        thoughtsTokenCount: 40,
      },
      modelVersion: 'gemini-3-pro-preview',
      responseId: context.rid,
    })
  })

  it('tells what was said until it broke off, and no finish', () => {
    const error = dialect.errorFrames(new GatewayError('worker_lost', 'Gone.').toJSON(), 2, {
      context,
      frames: [],
    })
    const { frames } = observe([chunk([{ text: 'a' }]), chunk([{ text: 'b' }])])
    expect(JSON.parse(dialect.collect([...frames, ...error], context))).toMatchObject({
      candidates: [{ content: { parts: [{ text: 'ab' }] } }],
    })
    expect(JSON.parse(dialect.collect([], context, { inputTokens: 1, outputTokens: 2 }))).toEqual({
      candidates: [],
      usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2, totalTokenCount: 3 },
      modelVersion: context.model,
      responseId: context.rid,
    })
  })

  it('keeps a text apart from the one whose signature ends it', () => {
    const { frames } = observe([
      chunk([{ text: 'a' }]),
      chunk([{ text: 'b', thoughtSignature: 'c2ln' }]),
      chunk([{ text: 'c' }]),
    ])
    expect(JSON.parse(dialect.collect(frames, context))).toMatchObject({
      candidates: [{ content: { parts: [{ text: 'ab', thoughtSignature: 'c2ln' }, { text: 'c' }] } }],
    })
  })

  it('is told again as one chunk', async () => {
    const answer = await readFixture('answer.json')
    const frames = dialect.toFrames(answer, context)
    expect(frames).toHaveLength(1)
    expect(frames[0]).not.toMatch(/[\r\n]/)
    expect(JSON.parse(frames[0] ?? '')).toEqual(JSON.parse(answer))
  })
})

describe('an error', () => {
  it('has Google’s status, our code as its reason, and when to come back', () => {
    const told = (error: GatewayError) =>
      (JSON.parse(dialect.errorBody(error.toJSON())) as { error: object }).error
    expect(told(new GatewayError('queue_full', 'Wait.', { retryAfterMs: 1500 }))).toMatchObject({
      code: 429,
      message: 'Wait.',
      status: 'RESOURCE_EXHAUSTED',
      details: [{ reason: 'QUEUE_FULL', domain: 'millrace' }, { retryDelay: '1.5s' }],
    })
    expect(told(new GatewayError('invalid_request', 'No.', { param: 'contents' }))).toMatchObject({
      code: 400,
      status: 'INVALID_ARGUMENT',
      details: [{ metadata: { param: 'contents' } }],
    })
    const raw = { type: 'FAILED_PRECONDITION' }
    expect(told(new GatewayError('upstream_auth_failed', 'No.', { raw }))).toMatchObject({
      status: 'FAILED_PRECONDITION',
    })
    const foreign = { type: 'server_error' }
    expect(told(new GatewayError('upstream_error', 'No.', { raw: foreign }))).toMatchObject({
      code: 502,
      status: 'UNAVAILABLE',
    })
  })

  it('in a stream is thrown by Google’s client', async () => {
    const frames = [
      ...observe([chunk([{ text: 'a' }])]).frames,
      ...dialect.errorFrames(new GatewayError('worker_lost', 'Gone.').toJSON(), 1, { context, frames: [] }),
    ]
    await expect(judge(frames)).rejects.toMatchObject({ name: 'ApiError', status: 502 })
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Part } from '#libs/core'
import { gemini, readGeminiError } from '#libs/providers'
import { createSseDecoder } from '#libs/sse'
import { readFixture } from '../support/gemini-upstream.ts'
import { connect, errorOf, never, serve } from './support.ts'

const adapter = gemini.adapter!

/** The parts of a stream that comes in these pieces. */
function decodeStream(pieces: readonly Uint8Array[]): Part[] {
  const sse = createSseDecoder({ maxEventBytes: 100_000 })
  const decode = adapter.createDecoder('m')
  return [...pieces.flatMap((piece) => sse.push(piece)), ...sse.end()].flatMap((event) => decode(event))
}

const decodeFixture = async (name: string): Promise<Part[]> =>
  decodeStream([Buffer.from(await readFixture(name))])

function decodeChunk(chunk: object): Part[] {
  return adapter.createDecoder('m')({ event: undefined, data: JSON.stringify(chunk) })
}

describe('Gemini’s stream in parts', () => {
  it('has thoughts, signed calls, and a finish that tells of them', async () => {
    expect(await decodeFixture('stream-tools.sse')).toEqual([
      { type: 'start', id: 'dG9vbC1jYWxs', model: 'gemini-3-pro-preview' },
      { type: 'reasoning-start' },
      { type: 'reasoning-delta', text: '**Weighing the ' },
      { type: 'reasoning-delta', text: 'weather**' },
      { type: 'reasoning-end' },
      {
        type: 'tool-call-start',
        index: 0,
        id: expect.stringMatching(/^call_[0-9a-f-]{36}$/),
        name: 'get_weather',
        signature: 'EqQBCqEBAXLI2nxFirstSignature==',
      },
      { type: 'tool-call-delta', index: 0, arguments: '{"city":"Paris","error":null}' },
      { type: 'tool-call-end', index: 0 },
      { type: 'tool-call-start', index: 1, id: 'fc_2', name: 'get_weather' },
      { type: 'tool-call-delta', index: 1, arguments: '{"city":"Rome"}' },
      { type: 'tool-call-end', index: 1 },
      {
        type: 'finish',
        reason: { unified: 'tool_calls', raw: 'STOP' },
        usage: { inputTokens: 61, outputTokens: 72, reasoningTokens: 40 },
      },
    ])
  })

  it('is the same however the network cuts it', async () => {
    const bytes = Buffer.from(await readFixture('stream-text.sse'))
    const whole = decodeStream([bytes])
    expect(whole.at(-1)).toMatchObject({ type: 'finish', usage: { outputTokens: 21 } })
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes.length })), (cuts) => {
        const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length]
        const pieces = edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge))
        expect(decodeStream(pieces)).toEqual(whole)
      }),
    )
  })

  it('keeps the signature of a text, behind it', () => {
    const parts = [{ text: 'Hi' }, { text: '', thoughtSignature: 'c2ln' }]
    expect(decodeChunk({ candidates: [{ content: { parts }, finishReason: 'STOP' }] })).toEqual([
      { type: 'start' },
      { type: 'text-start' },
      { type: 'text-delta', text: 'Hi' },
      { type: 'text-end' },
      { type: 'reasoning-start' },
      { type: 'reasoning-end', signature: 'c2ln' },
      { type: 'finish', reason: { unified: 'stop', raw: 'STOP' } },
    ])
  })

  it.each([
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content_filter'],
    ['RECITATION', 'content_filter'],
    ['MALFORMED_FUNCTION_CALL', 'other'],
    ['A_WORD_OF_NEXT_YEAR', 'other'],
  ])('ends with %s as %s', (raw, unified) => {
    expect(decodeChunk({ candidates: [{ finishReason: raw }] }).at(-1)).toEqual({
      type: 'finish',
      reason: { unified, raw },
    })
  })

  it('breaks off at a blocked prompt, an error, and what is no chunk', async () => {
    await expect(decodeFixture('stream-blocked.sse')).rejects.toMatchObject({ code: 'content_policy' })
    const error = { code: 503, message: 'Overloaded.', status: 'UNAVAILABLE' }
    expect(() => decodeChunk({ error })).toThrow(
      expect.objectContaining({ code: 'upstream_error', status: 503 }),
    )
    const decode = adapter.createDecoder('m')
    for (const data of ['[1]', '<html>']) {
      const act = () => decode({ event: undefined, data })
      expect(act).toThrow(expect.objectContaining({ code: 'upstream_protocol_error' }))
    }
    const picture = { inlineData: { mimeType: 'image/png', data: 'AA==' } }
    const act = () => decodeChunk({ candidates: [{ content: { parts: [picture] } }] })
    expect(act).toThrow(expect.objectContaining({ code: 'upstream_protocol_error' }))
  })
})

describe('Google’s errors', () => {
  const read = (status: number, error: object) => readGeminiError(status, JSON.stringify({ error }))

  it('say when to come back', async () => {
    expect(readGeminiError(429, await readFixture('error-quota.json'))).toMatchObject({
      code: 'rate_limit_exceeded',
      retryAfterMs: 37_500,
      raw: { type: 'RESOURCE_EXHAUSTED', code: '429' },
    })
  })

  it('tell a wrong key from a wrong request', async () => {
    expect(readGeminiError(400, await readFixture('error-key.json')).code).toBe('upstream_auth_failed')
    expect(
      read(400, { status: 'FAILED_PRECONDITION', message: 'User location is not supported.' }).code,
    ).toBe('upstream_auth_failed')
    expect(read(400, { status: 'INVALID_ARGUMENT', message: 'Unknown name "x".' })).toMatchObject({
      code: 'invalid_request',
      status: 400,
    })
    const tooLong = 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).'
    expect(read(400, { status: 'INVALID_ARGUMENT', message: tooLong }).code).toBe('context_length_exceeded')
  })

  it.each([
    [403, 'upstream_auth_failed'],
    [404, 'model_not_found'],
    [500, 'upstream_error'],
    [503, 'upstream_error'],
  ])('of status %i are %s', (status, code) => {
    expect(read(status, { message: 'x' }).code).toBe(code)
    expect(readGeminiError(status, `[{"error":{"message":"in a list"}}]`).message).toBe('in a list')
    expect(readGeminiError(status, '<html>').message).toContain(String(status))
  })

  it('never show a key', () => {
    expect(read(403, { message: 'Key AIzaSyA-secret_1 is blocked' }).message).toBe('Key [key] is blocked')
  })

  it('reach the caller with the key in Google’s header', async () => {
    let sent: unknown
    const host = await serve(async (request, response) => {
      sent = request.headers['x-goog-api-key']
      response.writeHead(429, { 'content-type': 'application/json' })
      response.end(await readFixture('error-quota.json'))
    })
    const provider = connect(host, {}, gemini)
    const call = { path: '/models/m:generateContent', body: '{}', key: 'AIza-secret', rid: 'gen_1' }
    expect(await errorOf(provider.send(call, never))).toMatchObject({
      code: 'rate_limit_exceeded',
      retryAfterMs: 37_500,
    })
    expect(sent).toBe('AIza-secret')
  })
})

import { describe, expect, it } from 'vitest'
import { GatewayError, type Part } from '#libs/core'
import { anthropic } from '#libs/providers'
import { createSseDecoder } from '#libs/sse'
import { readFixture } from '../../support/anthropic-upstream.ts'

function decode(slices: readonly Uint8Array[]): Part[] {
  const sse = createSseDecoder()
  const toParts = anthropic.adapter!.createDecoder('m')
  return [...slices.flatMap((slice) => sse.push(slice)), ...sse.end()].flatMap((event) => toParts(event))
}

async function partsOf(fixture: string): Promise<Part[]> {
  return decode([Buffer.from(await readFixture(fixture))])
}

describe('Anthropic’s stream', () => {
  it('is text with all that was counted', async () => {
    expect(await partsOf('text.sse')).toEqual([
      { type: 'start', id: 'msg_01UpstreamText', model: 'claude-sonnet-4-5-20250929' },
      { type: 'text-start' },
      { type: 'text-delta', text: 'Hello' },
      { type: 'text-delta', text: ', wörld 🌍!' },
      { type: 'text-end' },
      {
        type: 'finish',
        reason: { unified: 'stop', raw: 'end_turn' },
        usage: { inputTokens: 1025, outputTokens: 15, cacheReadTokens: 900, cacheWriteTokens: 100 },
      },
    ])
  })

  it('is tool calls, also those without arguments', async () => {
    expect((await partsOf('tool-use.sse')).slice(4)).toEqual([
      { type: 'tool-call-start', index: 1, id: 'toolu_01Weather', name: 'get_weather' },
      { type: 'tool-call-delta', index: 1, arguments: '{"location":' },
      { type: 'tool-call-delta', index: 1, arguments: ' "San Francisco"}' },
      { type: 'tool-call-end', index: 1 },
      { type: 'tool-call-start', index: 2, id: 'toolu_02Time', name: 'get_time' },
      { type: 'tool-call-delta', index: 2, arguments: '{}' },
      { type: 'tool-call-end', index: 2 },
      {
        type: 'finish',
        reason: { unified: 'tool_calls', raw: 'tool_use' },
        usage: { inputTokens: 472, outputTokens: 89 },
      },
    ])
  })

  it('is thoughts with their signature, and those that nobody may read', async () => {
    expect((await partsOf('thinking.sse')).slice(1, 7)).toEqual([
      { type: 'reasoning-start' },
      { type: 'reasoning-delta', text: 'First 27 × 400, ' },
      { type: 'reasoning-delta', text: 'then the rest.' },
      { type: 'reasoning-end', signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds==' },
      { type: 'reasoning-start' },
      {
        type: 'reasoning-end',
        redacted: 'EmwKAhgBEgy3va3pzix/LafPsn4aDFIT2Xlxh0L5L8rLVyIwxtE3rAFBa8cr3qpP==',
      },
    ])
  })

  it('is citations, and in the later version a refusal and thinking tokens', async () => {
    expect(await partsOf('citations.sse')).toContainEqual({
      type: 'citation',
      citation: expect.objectContaining({ cited_text: 'The grass is green.' }) as object,
    })
    expect((await partsOf('text-2026-10-21.sse')).at(-1)).toMatchObject({
      reason: { unified: 'refusal', raw: 'refusal' },
      usage: { inputTokens: 30, outputTokens: 44, reasoningTokens: 31 },
    })
  })

  it('breaks with Anthropic’s error', async () => {
    const broken = partsOf('overloaded.sse')
    await expect(broken).rejects.toBeInstanceOf(GatewayError)
    await expect(broken).rejects.toMatchObject({ code: 'upstream_error', status: 529, message: 'Overloaded' })
  })

  it('has no finish when it stops before its end', async () => {
    const text = await readFixture('text.sse')
    const parts = decode([Buffer.from(text.slice(0, text.indexOf('event: message_delta')))])
    expect(parts.map(({ type }) => type)).not.toContain('finish')
  })

  it.each(['text.sse', 'text-2026-10-21.sse', 'tool-use.sse', 'thinking.sse', 'citations.sse'])(
    'of %s is the same wherever the network cuts it',
    async (fixture) => {
      const bytes = Buffer.from(await readFixture(fixture))
      const whole = JSON.stringify(decode([bytes]))
      for (let at = 1; at < bytes.length; at++) {
        const parts = decode([bytes.subarray(0, at), bytes.subarray(at)])
        expect(JSON.stringify(parts), `cut at ${at}`).toBe(whole)
      }
      expect(JSON.stringify(decode([...bytes].map((byte) => Uint8Array.of(byte))))).toBe(whole)
    },
  )
})

describe('Anthropic’s errors', () => {
  const envelope = (type: string, message: string): string =>
    JSON.stringify({ type: 'error', error: { type, message }, request_id: 'req_1' })

  it.each([
    [400, 'invalid_request_error', 'max_tokens: Field required', 'invalid_request', 400],
    [
      400,
      'invalid_request_error',
      'prompt is too long: 210000 tokens > 200000 maximum',
      'context_length_exceeded',
      400,
    ],
    [
      400,
      'invalid_request_error',
      'Your credit balance is too low to access the API',
      'insufficient_quota',
      429,
    ],
    [401, 'authentication_error', 'invalid x-api-key', 'upstream_auth_failed', 502],
    [402, 'billing_error', 'Pay.', 'insufficient_quota', 429],
    [403, 'permission_error', 'No.', 'upstream_auth_failed', 502],
    [404, 'not_found_error', 'model: claude-9', 'model_not_found', 404],
    [413, 'request_too_large', 'Too large.', 'request_too_large', 413],
    [429, 'rate_limit_error', 'Slow down.', 'rate_limit_exceeded', 429],
    [500, 'api_error', 'Oops.', 'upstream_error', 500],
    [529, 'overloaded_error', 'Overloaded', 'upstream_error', 529],
  ])('%i %s “%s” is %s', (status, type, message, code, seenStatus) => {
    expect(anthropic.readError(status, envelope(type, message)).toJSON()).toMatchObject({
      code,
      message,
      status: seenStatus,
      raw: { type },
    })
  })

  it('tell no key', () => {
    const error = anthropic.readError(401, envelope('authentication_error', 'bad sk-ant-api03-abc_DEF'))
    expect(error.message).toBe('bad [key]')
  })
})

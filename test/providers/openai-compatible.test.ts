import { describe, expect, it } from 'vitest'
import type { ErrorCode } from '#libs/core'
import { findProviderSpec, openai, providerSpecs, readOpenAiError } from '#libs/providers'

const envelope = (error: Record<string, unknown>): string => JSON.stringify({ error })

describe("OpenAI's error envelope", () => {
  it.each<[status: number, error: Record<string, unknown>, code: ErrorCode, seenStatus: number]>([
    [400, { message: 'bad', type: 'invalid_request_error' }, 'invalid_request', 400],
    [400, { message: 'long', code: 'context_length_exceeded' }, 'context_length_exceeded', 400],
    [400, { message: "This model's maximum context length is 8 tokens." }, 'context_length_exceeded', 400],
    [400, { message: 'too long', type: 'exceed_context_size_error' }, 'context_length_exceeded', 400],
    [400, { message: 'no', code: 'content_policy_violation' }, 'content_policy', 400],
    [400, { message: 'no', code: 'content_filter' }, 'content_policy', 400],
    [401, { message: 'key', code: 'invalid_api_key' }, 'upstream_auth_failed', 502],
    [402, { message: 'pay' }, 'insufficient_quota', 429],
    [403, { message: 'country' }, 'upstream_auth_failed', 502],
    [403, { message: 'no access', code: 'model_not_found' }, 'model_not_found', 404],
    [404, { message: 'no model', code: 'model_not_found' }, 'model_not_found', 404],
    [404, { message: 'The model `x` does not exist.', code: 404 }, 'model_not_found', 404],
    [408, { message: 'slow' }, 'upstream_error', 408],
    [409, { message: 'locked' }, 'upstream_error', 409],
    [413, { message: 'big' }, 'request_too_large', 413],
    [422, { message: 'bad' }, 'invalid_request', 422],
    [429, { message: 'slow down', code: 'rate_limit_exceeded' }, 'rate_limit_exceeded', 429],
    [429, { message: 'pay', type: 'insufficient_quota' }, 'insufficient_quota', 429],
    [500, { message: 'oops', type: 'server_error' }, 'upstream_error', 500],
    [503, { message: 'oops', code: 'model_not_found' }, 'upstream_error', 503],
    [529, { message: 'overloaded' }, 'upstream_error', 529],
  ])('of status %i with %j is %s', (status, error, code, seenStatus) => {
    expect(readOpenAiError(status, envelope(error))).toMatchObject({
      code,
      status: seenStatus,
      message: error.message,
    })
  })

  it("keeps the parameter and the provider's own words", () => {
    const body = envelope({ message: 'bad', type: 't', code: 'c', param: 'messages[0]' })
    expect(readOpenAiError(400, body)).toMatchObject({ param: 'messages[0]', raw: { type: 't', code: 'c' } })
    expect(readOpenAiError(400, envelope({ message: 'bad', code: 404 })).raw).toEqual({
      type: null,
      code: '404',
    })
    expect(readOpenAiError(400, envelope({ message: 'bad' })).raw).toBeUndefined()
  })

  it.each([
    '{"error":"words"}',
    '{"message":"words","object":"error"}',
    '{"detail":"words"}',
    '[{"error":{"message":"words"}}]',
  ])('is read as well in the form %s', (body) => {
    expect(readOpenAiError(400, body).message).toBe('words')
  })

  it.each([
    '',
    'null',
    '[]',
    '"x"',
    '{}',
    '{"error":',
    '{"error":null}',
    '{"error":{"message":{}}}',
    '<html>secret',
  ])('is done without where there is none: %s', (body) => {
    const error = readOpenAiError(502, body)
    expect(error.code).toBe('upstream_error')
    expect(error.message).toBe('The provider answered with status 502 and no message.')
  })

  it.each([
    'Incorrect API key provided: sk-proj-abCD1234efgh.',
    'Incorrect API key provided: sk-ab***************wxyz. You can find yours at …',
    'Invalid key abcd****wxyz',
    'Bad key AIzaSyD-abcdef_1234',
    'Bad key gsk_abcdef123456',
  ])('loses the key in %j', (message) => {
    const told = readOpenAiError(401, envelope({ message })).message
    expect(told).toContain('[key]')
    expect(told).not.toMatch(/abcd|wxyz|SyD|1234/i)
  })

  it('keeps words that only look like keys', () => {
    const message = 'The task-force of hf-models has a key-value pair, **bold**.'
    expect(readOpenAiError(400, envelope({ message })).message).toBe(message)
  })

  it('knows no word that every object has', () => {
    expect(
      readOpenAiError(400, envelope({ message: 'x', code: 'constructor', type: '__proto__' })).code,
    ).toBe('invalid_request')
  })

  it('is read in a moment, however long its words are', () => {
    const startedAt = performance.now()
    for (const unit of ['a', 'a**', '*', 'sk-']) {
      readOpenAiError(401, envelope({ message: unit.repeat(64_000 / unit.length) }))
    }
    expect(performance.now() - startedAt).toBeLessThan(500)
  })

  it('is cut to 2,000 characters', () => {
    const { message } = readOpenAiError(400, envelope({ message: 'x '.repeat(5000) }))
    expect(message).toHaveLength(2000)
  })
})

describe('the registry', () => {
  it('finds a spec by its type', () => {
    expect(findProviderSpec('openai')).toBe(openai)
    expect(findProviderSpec('toString')).toBeUndefined()
  })

  it('has one spec a type, and paths that begin with a slash', () => {
    expect(new Set(providerSpecs.map(({ type }) => type)).size).toBe(providerSpecs.length)
    for (const spec of providerSpecs) {
      for (const route of Object.values(spec.native))
        expect(route({ model: 'm', stream: true, options: {} }) ?? '/').toMatch(/^\//)
    }
  })
})

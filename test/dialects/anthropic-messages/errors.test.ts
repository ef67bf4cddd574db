import { describe, expect, it } from 'vitest'
import { errorCodes, GatewayError, type ErrorCode } from '#libs/core'
import { dialect } from './judge.ts'

function envelope(error: GatewayError) {
  const record = error.toJSON()
  const body = JSON.parse(dialect.errorBody(record)) as {
    type: string
    error: { type: string; message: string }
  }
  return { status: dialect.errorStatus?.(record), ...body }
}

describe('an error', () => {
  it.each([
    ['invalid_request', 400, 'invalid_request_error'],
    ['invalid_api_key', 401, 'authentication_error'],
    ['insufficient_quota', 402, 'billing_error'],
    ['permission_denied', 403, 'permission_error'],
    ['model_not_found', 404, 'not_found_error'],
    ['not_ended', 409, 'conflict_error'],
    ['request_too_large', 413, 'request_too_large'],
    ['queue_full', 429, 'rate_limit_error'],
    ['internal_error', 500, 'api_error'],
    ['upstream_timeout', 504, 'timeout_error'],
    ['overloaded', 529, 'overloaded_error'],
    ['draining', 529, 'overloaded_error'],
  ] as const)('%s is %i %s to Anthropic’s clients', (code, status, type) => {
    expect(envelope(new GatewayError(code, 'Why.'))).toEqual({
      status,
      type: 'error',
      error: { type, message: 'Why.', details: { error_code: code } },
    })
  })

  it('has a type and a status whatever its code is', () => {
    for (const code of Object.keys(errorCodes) as ErrorCode[]) {
      const { status, error } = envelope(new GatewayError(code, 'Why.'))
      expect(status, code).toBeGreaterThanOrEqual(400)
      expect(error.type, code).toMatch(/_error$|^request_too_large$/)
    }
  })

  it('keeps the type that Anthropic gave it, except for a key that is not the client’s', () => {
    const overloaded = new GatewayError('upstream_error', 'Overloaded', {
      status: 529,
      raw: { type: 'overloaded_error' },
    })
    expect(envelope(overloaded)).toMatchObject({ status: 529, error: { type: 'overloaded_error' } })
    const refused = new GatewayError('upstream_auth_failed', 'invalid x-api-key', {
      raw: { type: 'authentication_error' },
    })
    expect(envelope(refused)).toMatchObject({ status: 502, error: { type: 'api_error' } })
    const foreign = new GatewayError('upstream_error', 'No.', { raw: { type: 'server_error' } })
    expect(envelope(foreign)).toMatchObject({ status: 502, error: { type: 'api_error' } })
  })
})

import { expect, test } from 'vitest'
import { errorCodes, type ErrorCode } from '#libs/core'
import { nextAfter, retriesAfter } from '#libs/routing'

test.each<[ErrorCode, number]>([
  ['rate_limit_exceeded', 4],
  ['upstream_auth_failed', 4],
  ['upstream_error', 2],
  ['upstream_unreachable', 2],
  ['upstream_incomplete', 0],
  ['upstream_timeout', 0],
  ['invalid_request', 0],
  ['upstream_outcome_unknown', 0],
])('after %s a target is called again %i times, where nobody says otherwise', (code, times) => {
  expect(retriesAfter(code, [undefined, {}])).toBe(times)
})

test('the first policy that names the class counts, or covers it by its default', () => {
  expect(retriesAfter('upstream_error', [{ rateLimit: 9 }, { serverError: 1 }, { serverError: 5 }])).toBe(1)
  expect(retriesAfter('upstream_error', [{ default: 3 }, { serverError: 1 }])).toBe(3)
  expect(retriesAfter('rate_limit_exceeded', [{ default: 3, rateLimit: 0 }])).toBe(0)
})

test('what may have been paid, or can only fail again, is repeated only by its own name', () => {
  expect(retriesAfter('upstream_timeout', [{ default: 3 }])).toBe(0)
  expect(retriesAfter('upstream_timeout', [{ default: 3, timeout: 1 }])).toBe(1)
  expect(retriesAfter('invalid_request', [{ default: 3 }])).toBe(0)
  expect(retriesAfter('content_policy', [{ contentPolicy: 2 }])).toBe(2)
})

test('a call of which nobody knows what came of it is never repeated, whatever the policy', () => {
  const all = { default: 9, timeout: 9, serverError: 9, badRequest: 9 }
  for (const code of ['upstream_outcome_unknown', 'worker_lost', 'cancelled', 'deadline_exceeded'] as const) {
    expect(retriesAfter(code, [all])).toBe(0)
    expect(nextAfter(code)).toBe('end')
  }
})

test('every error has a place to go to, if only its end', () => {
  const places = Object.groupBy(Object.keys(errorCodes) as ErrorCode[], nextAfter)
  expect(places.target).toHaveLength(10)
  expect(places['context-window']).toEqual(['context_length_exceeded'])
  expect(places['content-policy']).toEqual(['content_policy'])
  expect(places.client).toEqual(['invalid_request', 'request_too_large'])
})

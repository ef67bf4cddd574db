import { createBreakerSettings, defaultBreaker } from '#libs/routing'
import type { ErrorCode } from '#libs/core'
import { describe, expect, test } from 'vitest'
import { judgeCall } from '../../../libs/routing/health/breaker.ts'

function verdictOf(error: ErrorCode | undefined, settings = defaultBreaker) {
  return judgeCall({ error, firstByteMs: 10 }, settings).verdict
}

describe('a call is judged', () => {
  test.each<[ErrorCode | undefined, string]>([
    [undefined, 'well'],
    ['upstream_error', 'sick'],
    ['upstream_unreachable', 'sick'],
    ['upstream_timeout', 'sick'],
    ['upstream_protocol_error', 'sick'],
    ['upstream_incomplete', 'sick'],
    ['upstream_outcome_unknown', 'sick'],
    ['rate_limit_exceeded', 'well'],
    ['upstream_auth_failed', 'well'],
    ['invalid_request', 'well'],
    ['context_length_exceeded', 'well'],
    ['content_policy', 'well'],
    ['model_not_found', 'well'],
    ['cancelled', 'nothing'],
    ['worker_lost', 'nothing'],
    ['internal_error', 'nothing'],
  ])('%s: %s', (error, verdict) => {
    expect(verdictOf(error)).toBe(verdict)
  })

  test('slow by its first byte, whatever came after', () => {
    const settings = { ...defaultBreaker, slowCallMs: 100 }

    expect(judgeCall({ firstByteMs: 101 }, settings)).toMatchObject({ verdict: 'well', isSlow: true })
    expect(judgeCall({ firstByteMs: 100 }, settings).isSlow).toBe(false)
  })

  test('by the limit of its class, and else with the others by the default', () => {
    const settings = { ...defaultBreaker, afterFailures: { default: 5, rateLimit: 2 } }

    expect(judgeCall({ error: 'rate_limit_exceeded', firstByteMs: 1 }, settings)).toMatchObject({
      verdict: 'sick',
      group: 'rateLimit',
      limit: 2,
    })
    expect(judgeCall({ error: 'upstream_auth_failed', firstByteMs: 1 }, settings)).toMatchObject({
      verdict: 'sick',
      group: 'default',
      limit: 5,
    })
    expect(verdictOf('invalid_request', settings)).toBe('well')
  })
})

describe('the settings of a target', () => {
  const models = [
    {
      breaker: { minCalls: 3 },
      cooldown: { afterFailures: { default: 0 } },
      targets: [
        { provider: 'p', model: 'a', cooldownMs: 100 },
        { provider: 'p', model: 'gpt-*' },
      ],
    },
    {
      targets: [
        { provider: 'p', model: 'a' },
        { provider: 'p', model: 'b' },
      ],
    },
  ]
  const settingsOf = createBreakerSettings(models, { breaker: { probes: 2 }, cooldown: { durationMs: 900 } })

  test('are those of the first model that has it, over those of all', () => {
    expect(settingsOf({ provider: 'p', model: 'a' })).toEqual({
      ...defaultBreaker,
      minCalls: 3,
      probes: 2,
      openMs: 100,
      maxOpenMs: 100,
      afterFailures: { default: 0 },
    })
    expect(settingsOf({ provider: 'p', model: 'b' })).toMatchObject({ minCalls: 10, openMs: 900 })
  })

  test('are found by a star too, and are the defaults for what nobody has', () => {
    expect(settingsOf({ provider: 'p', model: 'gpt-9' }).minCalls).toBe(3)
    expect(settingsOf({ provider: 'q', model: 'gpt-9' }).minCalls).toBe(10)
    expect(settingsOf({ provider: 'p', model: `gpt-${'x'.repeat(300)}` }).minCalls).toBe(10)
  })
})

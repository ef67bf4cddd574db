import type { Usage } from '#libs/core'
import type { PriceList } from '#libs/prices'
import type { Attempt, RunSpec } from '#libs/runs'
import { createMetrics } from '#libs/telemetry'
import { expect, test } from 'vitest'
import { tellCosts } from '../../../../apps/worker/calls/run-cost.ts'
import { createRunMetrics } from '../../../../apps/worker/metrics/run-metrics.ts'
import { makeRunSpec } from '../../../support/runs.ts'

const prices: PriceList = {
  priceOf: (provider) =>
    provider === 'acme' ? { input: 1_000_000, output: 2_000_000, source: 'test', date: null } : undefined,
}
const usage: Usage = { inputTokens: 10, outputTokens: 5 }
const spec: RunSpec = {
  ...makeRunSpec(),
  dialect: 'openai-chat',
  provider: 'acme',
  target: 'm',
  tenant: 'team',
}

function attempt(outcome: string, provider = 'acme'): Attempt {
  return { provider, model: 'm', key: null, startedAtMs: 0, durationMs: 1, outcome }
}

function costsOf(attempts: Attempt[], hasBegun = false) {
  const told = tellCosts(prices, spec, { attempts, usage, hasBegun })
  return { run: told.cost?.nanodollars, attempts: told.attempts.map(({ cost }) => cost?.nanodollars) }
}

test('a run costs what its answer costs, when all calls before were refused', () => {
  expect(costsOf([attempt('rate_limit_exceeded'), attempt('upstream_unreachable'), attempt('ok')])).toEqual({
    run: 20_000,
    attempts: [undefined, undefined, 20_000],
  })
})

test('nobody knows what a run costs of which one call may have been paid for in vain', () => {
  expect(costsOf([attempt('upstream_timeout'), attempt('ok')])).toEqual({
    run: null,
    attempts: [null, 20_000],
  })
  expect(costsOf([attempt('ok', 'unknown')])).toEqual({ run: null, attempts: [null] })
})

test('an error costs nothing before the first frame, and nobody knows what after it', () => {
  expect(costsOf([attempt('upstream_error')])).toEqual({ run: undefined, attempts: [undefined] })
  expect(costsOf([attempt('upstream_error')], true)).toEqual({ run: null, attempts: [null] })
})

test('counting tokens is free', () => {
  const counting = { ...spec, dialect: 'anthropic-token-count' }
  expect(
    tellCosts(prices, counting, { attempts: [attempt('ok')], usage: undefined, hasBegun: false }),
  ).toEqual({
    attempts: [attempt('ok')],
  })
})

test('known and unknown costs are counted apart, for tenants and models of the configuration', async () => {
  const metrics = createMetrics({ tenants: new Set(['team']), models: new Set(['m']) })
  const runMetrics = createRunMetrics(metrics, { began: () => undefined })
  const end = { outcome: 'completed' as const, frames: 0, startedAtMs: 0, firstFrameAtMs: null, endedAtMs: 1 }
  const told = tellCosts(prices, spec, {
    attempts: [attempt('upstream_timeout'), attempt('ok')],
    usage,
    hasBegun: false,
  })
  runMetrics.onEnded(spec, { ...end, ...told })
  runMetrics.onEnded({ ...spec, tenant: 'other-team' }, { ...end, ...told })
  // Its worker was lost.
  runMetrics.onEnded(spec, { ...end, attempts: [], cost: { nanodollars: null, source: null } })

  const text = await metrics.render()
  expect(text).toContain('millrace_cost_dollars_total{provider="acme",model="m",tenant="team"} 0.00002\n')
  expect(text).toContain('millrace_cost_dollars_total{provider="acme",model="m",tenant="other"} 0.00002\n')
  expect(text).toContain('millrace_cost_unknown_total{provider="acme",model="m",tenant="team"} 2\n')
})

import type { ErrorCode } from '#libs/core'

/** A target by its names: what a circuit, a latency or a load belongs to. */
export interface TargetId {
  readonly provider: string
  /** The provider's name for the model. */
  readonly model: string
}

/** When calls are taken for the sign of an illness, and how long a target then rests. */
export interface BreakerSettings {
  /** What happened longer ago than this counts no more. */
  readonly windowMs: number
  /** With fewer calls in the window, no rate says anything. */
  readonly minCalls: number
  /** The share of sick calls, above 0 and up to 1, from which on the target rests. */
  readonly failureRate: number
  /** A call whose first byte takes longer is slow; none is without it. */
  readonly slowCallMs?: number | undefined
  /** The same as `failureRate` for slow calls. */
  readonly slowCallRate: number
  /** The first rest; each that follows at once is twice as long. 0 never rests. */
  readonly openMs: number
  readonly maxOpenMs: number
  /** Calls that may try at once whether it is well again, and that must find it well. */
  readonly probes: number
  /** Failures of one class that a window may hold; those that have a limit do not count for `failureRate`. */
  readonly afterFailures?: FailureLimits | undefined
}

/** Absent ones are counted together against the default, if there is one. */
export interface FailureLimits {
  readonly default?: number | undefined
  readonly rateLimit?: number | undefined
  readonly timeout?: number | undefined
  readonly serverError?: number | undefined
  readonly authentication?: number | undefined
}

/** What holds where the configuration says nothing. */
export const defaultBreaker: BreakerSettings = {
  windowMs: 60_000,
  minCalls: 10,
  failureRate: 0.5,
  slowCallRate: 0.8,
  openMs: 5_000,
  maxOpenMs: 60_000,
  probes: 1,
}

type FailureClass = Exclude<keyof FailureLimits, 'default'>

/** The provider's own failures. What a client asked wrongly is none, and neither is what we broke off. */
const classes: Partial<Record<ErrorCode, FailureClass>> = {
  upstream_error: 'serverError',
  upstream_unreachable: 'serverError',
  upstream_protocol_error: 'serverError',
  upstream_incomplete: 'serverError',
  upstream_outcome_unknown: 'serverError',
  upstream_timeout: 'timeout',
  rate_limit_exceeded: 'rateLimit',
  insufficient_quota: 'rateLimit',
  upstream_auth_failed: 'authentication',
}

/** Ends that say nothing of the provider: the client's wish, or a fault of the gateway itself. */
const silent: ReadonlySet<ErrorCode> = new Set([
  'cancelled',
  'worker_lost',
  'internal_error',
  'deadline_exceeded',
])

/** What a call tells of its target. */
export interface Judgement {
  verdict: 'well' | 'sick' | 'nothing'
  isSlow: boolean
  /** What a failure is counted with, of which a window may hold `limit`; empty where rates count. */
  group: string
  limit: number
}

/** Judges a call by its end. Limits and refusals are no illness unless `afterFailures` counts them. */
export function judgeCall(
  { error, firstByteMs }: { error?: ErrorCode | undefined; firstByteMs: number },
  { slowCallMs, afterFailures }: BreakerSettings,
): Judgement {
  const isSlow = slowCallMs !== undefined && firstByteMs > slowCallMs
  const plain = { isSlow, group: '', limit: 0 }
  if (error === undefined) return { verdict: 'well', ...plain }
  if (silent.has(error)) return { verdict: 'nothing', ...plain, isSlow: false }
  const failure = classes[error]
  if (failure === undefined) return { verdict: 'well', ...plain }
  const own = afterFailures?.[failure]
  const limit = own ?? afterFailures?.default
  if (limit !== undefined) {
    return { verdict: 'sick', isSlow, group: own === undefined ? 'default' : failure, limit }
  }
  const isIll = failure === 'serverError' || failure === 'timeout'
  return { verdict: isIll ? 'sick' : 'well', ...plain }
}

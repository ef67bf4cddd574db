import type { ErrorCode } from '#libs/core'

/** The kinds of errors for which an operator may say how often to call again. */
export type ErrorClass =
  | 'rateLimit'
  | 'timeout'
  | 'serverError'
  | 'authentication'
  | 'contentPolicy'
  | 'badRequest'

/** How often to call again, by class; `default` is for `rateLimit`, `serverError` and `authentication`. */
export type RetryCounts = Readonly<Partial<Record<ErrorClass | 'default', number | undefined>>>

interface Verdict {
  class: ErrorClass
  /** How often the same target is called again where nobody says otherwise. */
  retries: number
  next: NextAfterError
}

/**
 * Where to go with an error when calling the same target again is of no use: to another target; at once to the models
 * that are for this error; nowhere, since the request is at fault (but what one fallback refuses, the next may take);
 * or nowhere at all.
 */
export type NextAfterError = 'target' | 'context-window' | 'content-policy' | 'client' | 'end'

/**
 * What each error of a call says about calling again. What is not here ends the run: either it is the gateway's own,
 * or nobody knows what came of the call, as with `upstream_outcome_unknown`, and a second one may be a second bill.
 *
 * By itself the gateway repeats only what cannot have been paid: a refusal, a limit, a failure that the provider
 * admits. The others of these errors may have been; it leaves them for another target where there is one, since they
 * brought no answer for certain, and repeats them if the operator has named their class.
 */
const verdicts: Readonly<Partial<Record<ErrorCode, Verdict>>> = {
  rate_limit_exceeded: { class: 'rateLimit', retries: 4, next: 'target' },
  insufficient_quota: { class: 'rateLimit', retries: 4, next: 'target' },
  upstream_auth_failed: { class: 'authentication', retries: 4, next: 'target' },
  permission_denied: { class: 'authentication', retries: 4, next: 'target' },
  upstream_error: { class: 'serverError', retries: 2, next: 'target' },
  upstream_unreachable: { class: 'serverError', retries: 2, next: 'target' },
  upstream_protocol_error: { class: 'serverError', retries: 0, next: 'target' },
  upstream_incomplete: { class: 'serverError', retries: 0, next: 'target' },
  upstream_timeout: { class: 'timeout', retries: 0, next: 'target' },
  model_not_found: { class: 'badRequest', retries: 0, next: 'target' },
  context_length_exceeded: { class: 'badRequest', retries: 0, next: 'context-window' },
  content_policy: { class: 'contentPolicy', retries: 0, next: 'content-policy' },
  invalid_request: { class: 'badRequest', retries: 0, next: 'client' },
  request_too_large: { class: 'badRequest', retries: 0, next: 'client' },
}

const coveredByDefault: ReadonlySet<ErrorClass> = new Set(['rateLimit', 'serverError', 'authentication'])

/** See {@link NextAfterError}. */
export function nextAfter(code: ErrorCode): NextAfterError {
  return verdicts[code]?.next ?? 'end'
}

/** The class of an error that calls bring; `undefined` for those of which there is nothing to choose. */
export function classOf(code: ErrorCode): ErrorClass | undefined {
  return verdicts[code]?.class
}

/**
 * How often a target may be called again after this error. The policies are asked in their order: the first one that
 * names the error's class or covers it by its default.
 */
export function retriesAfter(code: ErrorCode, policies: readonly (RetryCounts | undefined)[]): number {
  const verdict = verdicts[code]
  if (verdict === undefined) return 0
  const { class: kind, retries } = verdict
  for (const policy of policies) {
    const count = policy?.[kind] ?? (coveredByDefault.has(kind) ? policy?.default : undefined)
    if (count !== undefined) return count
  }
  return retries
}

import { GatewayError } from '#libs/core'
import { estimateUse } from '#libs/dialects'
import { runLeaseId, type Meter, type Remaining } from '#libs/keys'
import { keys } from '#libs/redis'
import type { RunSpec } from '#libs/runs'
import type { Caller } from './authenticate.ts'
import type { ApiDeps } from './deps.ts'
import { inTime } from './in-time.ts'
import type { Prepared } from './submit.ts'

/** What a run will count for under the limits of its caller's key. */
export interface CallerShare {
  meter: Meter
  tokens: number
}

/** Throws `permission_denied` for a model that the caller's key is not for. */
export function checkModel({ router }: Pick<ApiDeps, 'router'>, { mayAsk }: Caller, model: string): void {
  if (mayAsk(model, router.servedBy(model) ?? model)) return
  const shown = JSON.stringify(model.slice(0, 100))
  throw new GatewayError('permission_denied', `The API key may not ask for the model ${shown}.`, {
    param: 'model',
  })
}

/** Whether the caller's runs give something back when they end. */
export function holdsPlace({ meter }: Caller): boolean {
  return (meter?.limits.parallel ?? meter?.limits.tokensPerMinute) !== undefined
}

/** Undefined for a key without limits, which then cost nothing. */
export function toShare({ meter }: Caller, body: unknown): CallerShare | undefined {
  if (meter === undefined) return undefined
  return { meter, tokens: meter.limits.tokensPerMinute === undefined ? 0 : estimateUse(body) }
}

/**
 * Takes a place under the limits of the caller's key until the run has ended. Throws `rate_limit_exceeded` with the
 * time at which there will be one. An Idempotency-Key that stands for a run is let pass: nothing new comes of it.
 */
export async function takeCallerPlace(deps: ApiDeps, prepared: Prepared): Promise<void> {
  const { spec, share, idempotency, tell } = prepared
  if (share === undefined) return
  const { rid, tenant } = spec
  const { meter, tokens } = share
  const place = await inTime(
    deps.limiter.take({
      id: runLeaseId(rid),
      rid,
      tokens,
      shared: [],
      choices: [meter],
      heldByRun: true,
    }),
  )
  tell?.(toHeaders(meter, place.remaining))
  if (place.status === 'taken') return
  const entry = idempotency && keys.idempotency(tenant, idempotency.keyDigest)
  if (entry !== undefined && (await inTime(deps.redis.exists(entry))) === 1) return
  throw new GatewayError('rate_limit_exceeded', 'The API key is at its limit.', {
    retryAfterMs: place.waitMs,
  })
}

/** Nothing came of the run, or it was one that had been counted before. */
export function giveBackCallerPlace(deps: ApiDeps, { spec, share }: Prepared): void {
  if (share !== undefined) release(deps, spec, true)
}

/** A run has ended here that no worker had taken. */
export function endCallerPlace(deps: ApiDeps, spec: RunSpec): void {
  if (spec.isLimited === true) release(deps, spec, false)
}

function release({ limiter, logger }: ApiDeps, { rid }: RunSpec, isUnused: boolean): void {
  limiter.release(runLeaseId(rid), { tokens: 0, isUnused }).catch((error: unknown) => {
    logger.warn({ err: GatewayError.from(error), rid }, 'the place of a run could not be given back')
  })
}

function toHeaders({ limits }: Meter, remaining: Remaining): Record<string, string> {
  return {
    ...(limits.requestsPerMinute !== undefined && {
      'x-ratelimit-limit-requests': String(limits.requestsPerMinute),
      'x-ratelimit-remaining-requests': String(remaining.requests ?? 0),
    }),
    ...(limits.tokensPerMinute !== undefined && {
      'x-ratelimit-limit-tokens': String(limits.tokensPerMinute),
      'x-ratelimit-remaining-tokens': String(remaining.tokens ?? 0),
    }),
  }
}

import { GatewayError } from '#libs/core'
import { targetName } from '#libs/routing'
import type { Progress } from '#libs/runs'
import type { Journey } from './journey.ts'

/**
 * The error of a run for which nobody is left to call: what the first target brought, with all that was tried behind it.
 * `soonestMs` is when a target will have capacity again, if that is what it lacked.
 */
export function toLastError(journey: Journey, soonestMs: number | undefined): GatewayError {
  const { progress, lastError, provider } = journey
  const first = progress.error === undefined ? undefined : GatewayError.fromJSON(progress.error)
  const error =
    first ?? lastError ?? noCapacity(`All keys of provider ${provider.config.name} are at their limit.`)
  const tried = tellTried(progress)
  const { code, status, param, raw } = error
  const retryAfterMs =
    code === 'rate_limit_exceeded' && soonestMs !== undefined ? untilThen(soonestMs) : error.retryAfterMs
  return new GatewayError(
    code,
    tried.length < 2 ? error.message : `${error.message} (tried: ${tried.join(', ')})`,
    {
      status,
      ...(param !== null && { param }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(error.provider !== undefined && { provider: error.provider }),
      ...(raw !== undefined && { raw }),
      cause: lastError?.cause ?? lastError,
    },
  )
}

/** The error of a run whose deadline came while it waited for capacity. */
export function outOfTime({ limitedUntilMs }: Progress): GatewayError {
  const nowMs = Date.now()
  const coming = Object.values(limitedUntilMs).filter((untilMs) => untilMs > nowMs)
  return noCapacity('No target had capacity before the deadline of the run.', untilThen(Math.min(...coming)))
}

function noCapacity(message: string, retryAfterMs?: number): GatewayError {
  return new GatewayError('rate_limit_exceeded', message, {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

/** At least a second, also for what should be there already and is taken by others. */
function untilThen(timeMs: number): number {
  return Number.isFinite(timeMs) ? Math.max(1_000, Math.ceil(timeMs - Date.now())) : 1_000
}

/** Each target once, with the last that came of it. */
function tellTried({ attempts, limitedUntilMs }: Progress): string[] {
  const outcomes = new Map<string, string>()
  for (const attempt of attempts) outcomes.set(targetName(attempt), attempt.outcome)
  for (const name of Object.keys(limitedUntilMs)) {
    if (!outcomes.has(name)) outcomes.set(name, 'rate_limit_exceeded')
  }
  return [...outcomes].map(([name, outcome]) => `${name} (${outcome})`)
}

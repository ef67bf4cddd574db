import { GatewayError } from '#libs/core'
import { runLeaseId } from '#libs/keys'
import type { RunEnd, RunSpec } from '#libs/runs'
import type { WorkerDeps } from '../deps.ts'

/** Gives back what an ended run holds under the limits of its client's key. Nobody need wait for it. */
export function endCallerPlace(
  { limiter, logger }: WorkerDeps,
  { rid, isLimited }: RunSpec,
  { usage, attempts }: RunEnd,
): void {
  if (isLimited !== true) return
  const used = (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0)
  const tokens = usage !== undefined || attempts.length === 0 ? used : undefined
  limiter.release(runLeaseId(rid), { tokens }).catch((error: unknown) => {
    logger.warn({ err: GatewayError.from(error), rid }, 'the place of a run could not be given back')
  })
}

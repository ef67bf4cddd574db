import { GatewayError } from '#libs/core'
import { getStreamDialect } from '#libs/dialects'
import type { RunEnd, RunSpec } from '#libs/runs'
import { endCallerPlace } from './caller-limits.ts'
import type { ApiDeps } from './deps.ts'
import { frameContext } from './find-run.ts'

/**
 * Cancels a run that has not ended; idempotent. One that runs was only `requested` to end, which its worker does a
 * moment later.
 */
export async function cancelRun(
  deps: ApiDeps,
  spec: RunSpec,
): Promise<'unknown' | 'ended' | 'cancelled' | 'requested'> {
  const error = new GatewayError('cancelled', 'The run was cancelled.').toJSON()
  // What was tried before it was given back to the waiting stays told.
  const { progress } = (await deps.store.inspect(spec.rid)) ?? {}
  const request = spec.stream ? await deps.store.body(spec.rid) : undefined
  const told = { context: frameContext(spec, request), frames: [] }
  const frames = spec.stream ? getStreamDialect(spec.dialect).errorFrames(error, 0, told) : []
  const end: RunEnd = {
    outcome: 'cancelled',
    error,
    attempts: progress?.attempts ?? [],
    frames: frames.length,
    startedAtMs: progress?.startedAtMs ?? null,
    firstFrameAtMs: null,
    endedAtMs: Date.now(),
  }
  const outcome = await deps.store.cancel(spec, end, frames)
  if (outcome === 'cancelled') endCallerPlace(deps, spec)
  return outcome
}

import { GatewayError } from '#libs/core'
import { getDialect } from '#libs/dialects'
import type { RunEnd, RunSpec } from '#libs/runs'
import type { ApiDeps } from './deps.ts'

/** Cancels a run that has not ended; idempotent. One that runs ends a moment later, by its worker. */
export async function cancelRun(deps: ApiDeps, spec: RunSpec): Promise<void> {
  const error = new GatewayError('cancelled', 'The run was cancelled.').toJSON()
  const frame = spec.stream ? getDialect(spec.dialect).errorFrame(error, 0) : ''
  const end: RunEnd = {
    outcome: 'cancelled',
    error,
    attempts: [],
    frames: spec.stream ? 1 : 0,
    startedAtMs: null,
    firstFrameAtMs: null,
    endedAtMs: Date.now(),
  }
  await deps.store.cancel(spec, end, frame)
}

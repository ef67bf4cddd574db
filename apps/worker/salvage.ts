import { GatewayError } from '#libs/core'
import { getDialect } from '#libs/dialects'
import type { ClaimResult, RunEnd } from '#libs/runs'
import type { WorkerDeps } from './deps.ts'
import { endOfLog } from './end-run.ts'

type Claim = Extract<ClaimResult, { status: 'salvage' }>

/**
 * Ends a run whose worker died after it had called the provider. What was streamed is kept, and its readers get
 * a typed error behind it: the provider is not called again, since it may have been paid already.
 */
export async function salvageRun(deps: WorkerDeps, claim: Claim): Promise<void> {
  const { spec, epoch, homeChannel } = claim
  const { rid, tenant } = spec
  const cursor = await endOfLog(deps.log, rid, tenant)
  const seq = cursor.seq + 1
  const error =
    seq > 0
      ? new GatewayError('worker_lost', 'The worker was lost in mid-answer; what it had received is kept.')
      : new GatewayError('upstream_outcome_unknown', 'The worker was lost after it had called the provider.')
  const frame = spec.stream ? getDialect(spec.dialect).errorFrame(error.toJSON(), seq) : ''
  const end: RunEnd = {
    outcome: 'failed',
    error: error.toJSON(),
    attempts: [],
    frames: spec.stream ? seq + 1 : 0,
    startedAtMs: null,
    firstFrameAtMs: null,
    endedAtMs: Date.now(),
  }
  const entry = { epoch, seq, count: spec.stream ? 1 : 0, meta: '', payload: frame }
  const ended = await deps.store.end({ spec, epoch, homeChannel, end, entry })
  deps.logger.warn({ rid, frames: seq, ended }, 'salvaged a run whose worker was lost')
  if (ended === 'ended') deps.runMetrics.onEnded(spec, end)
}

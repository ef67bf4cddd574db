import type { Dialect, FrameContext } from '#libs/dialects'
import type { Attempt, ClaimResult } from '#libs/runs'
import type { RunWriter } from './append-pump.ts'
import type { WorkerProvider } from './deps.ts'
import type { HeldRun } from './held-runs.ts'

/** The right to carry a run, as its claim gave it. */
export type Claim = Extract<ClaimResult, { status: 'run' }>

/** A run on its way through this worker. */
export interface Journey {
  claim: Claim
  dialect: Dialect
  provider: WorkerProvider
  held: HeldRun
  writer: RunWriter
  attempts: Attempt[]
  firstFrameAtMs: number | null
}

/** What every frame of the run tells. */
export function toFrameContext({ spec, body }: Claim): FrameContext {
  return {
    rid: spec.rid,
    model: spec.model,
    createdAt: Math.floor(spec.createdAtMs / 1000),
    includeUsage: spec.includeUsage,
    request: body,
  }
}

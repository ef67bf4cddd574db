import { GatewayError } from '#libs/core'
import { getStreamDialect } from '#libs/dialects'
import type { ClaimResult, RunEnd, RunOpening, RunSpec } from '#libs/runs'
import type { LogEntry } from '#libs/streams'
import type { WorkerDeps } from '../deps.ts'
import { endCallerPlace } from '../calls/end-caller-place.ts'
import { readEntries } from '../end-run.ts'
import { tellCosts, unknownCost } from '../calls/run-cost.ts'

type Claim = Extract<ClaimResult, { status: 'salvage' }>
/** What the end of a run needs of its claim, whoever made it. */
type EndableClaim = Pick<Claim, 'spec' | 'epoch' | 'homeChannel' | 'progress'>

/**
 * Sees to a run whose worker died after it had called the provider. It ends here, unless its model's policy has it
 * called once more: then it is among the waiting again.
 */
export async function salvageRun(deps: WorkerDeps, claim: Claim): Promise<'ended' | 'retried'> {
  const { rid, onWorkerLoss } = claim.spec
  const kept = await keepAsking(deps, claim)
  if (kept === 'requeued') return 'retried'
  if (kept === 'cancel') {
    const error = new GatewayError('cancelled', 'The run was cancelled.')
    await endBehind(deps, claim, { entries: [], error, mayBePaid: true })
    return 'ended'
  }
  if (onWorkerLoss === 'retry_once' && (await deps.store.retry(claim)) === 'retried') {
    deps.logger.warn({ rid }, 'a run whose worker was lost is called once more')
    return 'retried'
  }
  await endLostRun(deps, claim)
  return 'ended'
}

/** Who was lost had only asked for work that goes on at the provider: somebody else can ask as well. */
async function keepAsking(
  { store, logger }: WorkerDeps,
  { spec, epoch, progress }: Claim,
): Promise<'requeued' | 'cancel' | undefined> {
  if (progress?.operation === undefined) return undefined
  const kept = await store.requeue({ rid: spec.rid, epoch, spec, progress, delayMs: 0 })
  logger.warn({ rid: spec.rid, kept }, 'a worker was lost that asked for an operation')
  return kept === 'requeued' || kept === 'cancel' ? kept : undefined
}

/**
 * Ends a run whose worker died after it had called the provider. What was streamed is kept, and its readers get
 * a typed error behind it: the provider is not called again, since it may have been paid already.
 */
async function endLostRun(deps: WorkerDeps, claim: Claim): Promise<void> {
  const entries = await readEntries(deps.log, claim.spec.rid, claim.spec.tenant)
  const error =
    entries.length > 0
      ? new GatewayError('worker_lost', 'The worker was lost in mid-answer; what it had received is kept.')
      : new GatewayError('upstream_outcome_unknown', 'The worker was lost after it had called the provider.')
  const ended = await endBehind(deps, claim, { entries, error, mayBePaid: true })
  deps.logger.warn(
    { rid: claim.spec.rid, entries: entries.length, ended },
    'salvaged a run whose worker was lost',
  )
}

/**
 * Puts a run that could not be carried among the dead letters: its client is told now, and it is not tried again
 * before somebody has looked at it.
 */
export async function buryRun(deps: WorkerDeps, claim: EndableClaim, cause: unknown): Promise<void> {
  const { rid, tenant } = claim.spec
  const error = GatewayError.from(cause)
  deps.logger.error({ err: error, rid }, 'a run could not be carried and is a dead letter now')
  await deps.store.bury(rid)
  deps.metrics.deadLetters({ provider: claim.spec.provider }).inc()
  const entries = await readEntries(deps.log, rid, tenant)
  await endBehind(deps, claim, { entries, error, mayBePaid: true })
}

/** Ends a run as failed or cancelled, behind all that its log holds. `mayBePaid`: a call was made of which nobody has told. */
export async function endBehind(
  deps: WorkerDeps,
  { spec, epoch, homeChannel, progress }: EndableClaim,
  came: { entries: readonly LogEntry[]; error: GatewayError; mayBePaid: boolean },
): Promise<string> {
  const { entries, error, mayBePaid } = came
  const seq = (entries.at(-1)?.seq ?? -1) + 1
  const request = spec.stream ? await deps.store.body(spec.rid) : undefined
  const frames = spec.stream ? toLastFrames(deps, { spec, request, entries }, error) : []
  const end: RunEnd = {
    outcome: error.code === 'cancelled' ? 'cancelled' : 'failed',
    error: error.toJSON(),
    ...(spec.fallback !== undefined && entries.length > 0 && { fallback: spec.fallback }),
    ...tellCosts(deps.prices, spec, {
      attempts: progress?.attempts ?? [],
      usage: undefined,
      hasBegun: false,
    }),
    ...(mayBePaid && { cost: unknownCost }),
    frames: spec.stream ? seq + frames.length : 0,
    startedAtMs: progress?.startedAtMs ?? null,
    firstFrameAtMs: readFirstFrameAtMs(spec, entries),
    endedAtMs: Date.now(),
  }
  const count = frames.length
  const entry = { epoch, seq: seq + Math.max(count, 1) - 1, count, meta: '', payload: frames.join('\n') }
  const ended = await deps.store.end({ spec, epoch, homeChannel, end, entry, isWhole: !spec.stream })
  if (ended === 'ended') {
    deps.runMetrics.onEnded(spec, end)
    endCallerPlace(deps, spec, end)
  }
  return ended
}

/** None where even these can't be made: a run that nobody understands must have an end all the same. */
function toLastFrames(
  { logger }: WorkerDeps,
  { spec, request, entries }: { spec: RunSpec; request: string | undefined; entries: readonly LogEntry[] },
  error: GatewayError,
): string[] {
  const { rid, model, includeUsage } = spec
  const frames = entries.flatMap(({ count, payload }) => (count === 0 ? [] : payload.split('\n')))
  const createdAt = Math.floor(spec.createdAtMs / 1000)
  const context = { rid, model, createdAt, includeUsage, ...(request !== undefined && { request }) }
  try {
    return getStreamDialect(spec.dialect).errorFrames(error.toJSON(), frames.length, { context, frames })
  } catch (thrown) {
    logger.error({ err: thrown, rid }, 'the end of a run could not be put into words')
    return []
  }
}

/** The lost worker has told it with its first frame. */
function readFirstFrameAtMs(spec: RunSpec, [first]: readonly LogEntry[]): number | null {
  if (first?.meta.startsWith('o') !== true) return null
  return spec.createdAtMs + (JSON.parse(first.meta.slice(1)) as RunOpening).firstFrameMs
}

import { GatewayError } from '#libs/core'
import { getDialect, isStreamDialect } from '#libs/dialects'
import type { JobResult } from '#libs/jobs'
import type { FinishedRun, Outcome, RunEnd, RunOpening } from '#libs/runs'
import type { LogEntry } from '#libs/streams'
import type { Heard } from './calls/call-provider.ts'
import type { WorkerDeps } from './deps.ts'
import type { WorkerProvider } from './calls/worker-provider.ts'
import { endCallerPlace } from './calls/end-caller-place.ts'
import { endInStore } from './end-run.ts'
import { giveBack } from './give-back.ts'
import { openJourney, toFrameContext, type Claim, type Journey } from './calls/journey.ts'
import { outOfTime } from './calls/last-error.ts'
import { tellCosts } from './calls/run-cost.ts'
import { followOperation, keepOperation } from './operations/follow-operation.ts'
import { callUntilHeard, type Elsewhere } from './calls/try-calls.ts'

/**
 * Carries a claimed run from the call to its end: calls the provider, appends what it says, ends the run in one
 * step, and offers it to the archive. Calls again only before the first frame, and only where the provider can't
 * have answered; where another provider or another time would do better, it gives the run back to the waiting. Never
 * rejects for what a provider or client did: that is the run's own end.
 */
export async function carryRun(deps: WorkerDeps, provider: WorkerProvider, claim: Claim): Promise<JobResult> {
  const { spec, epoch, homeChannel } = claim
  const held = deps.held.hold(spec.rid)
  const writer = deps.pump.open({
    rid: spec.rid,
    epoch,
    homeChannel,
    opening: () => JSON.stringify(toOpening(journey)),
    restore: () => restoreRun(deps, journey.claim),
    onInterrupt: (result) => held.stop(result === 'cancel' ? 'cancelled' : 'fenced'),
    onError: (error) => deps.logger.error({ err: error, rid: spec.rid }, 'append failed'),
  })
  // A provider may be silent for long, and nobody can come to the run meanwhile.
  held.onMissing = () => void writer.repair()
  const journey = openJourney({
    claim,
    dialect: getDialect(spec.dialect),
    provider,
    health: deps.health,
    held,
    writer,
    routes: deps.routes,
    prices: deps.prices,
    caches: deps.caches,
  })
  deps.runMetrics.onClaimed(claim)
  try {
    return await carryOn(deps, journey)
  } finally {
    journey.close()
    writer.finish()
    held.release()
    deps.runMetrics.onReleased(spec)
  }
}

async function carryOn(deps: WorkerDeps, journey: Journey): Promise<JobResult> {
  const { held, claim } = journey
  let heard: Heard | undefined
  let error: GatewayError | undefined
  try {
    const result = await callOrFollow(deps, journey)
    if (result.status === 'elsewhere') {
      const given = await giveBack(deps, journey, result)
      if (given !== 'cancel') return given
      held.stop('cancelled')
      error = toEndError(journey, undefined)
    } else {
      ;({ heard } = result)
    }
  } catch (thrown) {
    error = toEndError(journey, thrown)
  }
  if (held.stopped === 'fenced') {
    deps.logger.warn({ rid: claim.spec.rid }, 'another worker took the run over')
    return { status: 'done' }
  }
  await endRun(deps, journey, heard, error)
  return { status: 'done' }
}

async function callOrFollow(
  { media }: WorkerDeps,
  journey: Journey,
): Promise<{ status: 'heard'; heard: Heard } | Elsewhere> {
  const { operation } = journey.progress
  if (operation !== undefined) return followOperation(journey, operation, media)
  const result = await callUntilHeard(journey)
  const begun = result.status === 'heard' ? result.heard.operation : undefined
  return begun === undefined ? result : keepOperation(journey, begun)
}

/**
 * Redis may have lost the run. It may also have forgotten it, because another worker ended it and the archive
 * holds it: then this one slept too long, and has nothing more to say.
 */
async function restoreRun(deps: WorkerDeps, claim: Claim): Promise<'there' | 'fenced'> {
  const { rid, tenant } = claim.spec
  const found = await deps.store.inspect(rid)
  if (found !== undefined && found.state !== 'accepted') return 'there'
  if (found === undefined && (await deps.archive.read(rid, tenant)) !== undefined) return 'fenced'
  if ((await deps.store.restore(claim)) === 'restored')
    deps.logger.warn({ rid }, 'Redis has lost the run, it is written down again')
  return 'there'
}

function toEndError({ held, progress, writer }: Journey, thrown: unknown): GatewayError {
  if (held.stopped === 'cancelled') return new GatewayError('cancelled', 'The run was cancelled.')
  if (held.stopped === 'deadline') {
    const isWaiting = progress.waitsSinceMs !== undefined && writer.seq === 0
    return isWaiting
      ? outOfTime(progress)
      : new GatewayError('deadline_exceeded', 'The run did not end by its deadline.')
  }
  if (held.stopped === 'drained') {
    return new GatewayError('worker_lost', 'The worker had to stop before the answer was complete.')
  }
  return GatewayError.from(thrown)
}

function toOpening({ claim: { spec }, progress, firstFrameAtMs }: Journey): RunOpening {
  return {
    provider: spec.provider,
    target: spec.target,
    ...(spec.fallback !== undefined && { fallback: spec.fallback }),
    attempts: progress.attempts.length,
    queueMs: Math.max(0, progress.startedAtMs - spec.createdAtMs),
    firstFrameMs: (firstFrameAtMs ?? Date.now()) - spec.createdAtMs,
  }
}

async function endRun(
  deps: WorkerDeps,
  journey: Journey,
  heard: Heard | undefined,
  error: GatewayError | undefined,
): Promise<void> {
  const { claim, writer, held } = journey
  // From here on the end itself notices, and an ended run may be gone because it was deleted.
  held.onMissing = () => undefined
  const { spec, epoch, homeChannel } = claim
  const left = writer.finish(error !== undefined && spec.stream ? toLastFrames(journey, error) : [])
  const answer = heard?.answer
  const entry: LogEntry = answer === undefined ? left : { epoch, seq: 0, count: 1, meta: '', payload: answer }
  const end = toEnd(deps, journey, { heard, error, entry })
  const finished: FinishedRun = {
    run: {
      spec,
      state: 'ended',
      claimedAtMs: claim.claimedAtMs,
      cancelRequested: error?.code === 'cancelled',
      end,
    },
    body: claim.body,
    log: answer ?? writer.text(),
  }
  const isStoredFirst = spec.durability === 's3'
  if (isStoredFirst) await deps.archiver.storeFirst(finished)
  const ended = await endInStore(
    deps,
    writer,
    { spec, epoch, homeChannel, end, entry, isWhole: !spec.stream },
    finished,
  )
  deps.runMetrics.onEnded(spec, end)
  endCallerPlace(deps, spec, end)
  if (error !== undefined) deps.logger.info({ rid: spec.rid, err: error }, 'run ended without its answer')
  if (ended === 'fenced') return
  if (isStoredFirst) await deps.archiver.settle(finished)
  else deps.archiver.offer(finished)
}

function toLastFrames({ claim, dialect, writer }: Journey, error: GatewayError): string[] {
  const frames = writer.seq === 0 ? [] : writer.text().split('\n')
  if (!isStreamDialect(dialect)) return []
  return dialect.errorFrames(error.toJSON(), writer.seq, { context: toFrameContext(claim), frames })
}

function toEnd(
  { prices }: WorkerDeps,
  { claim, progress, firstFrameAtMs }: Journey,
  came: { heard: Heard | undefined; error: GatewayError | undefined; entry: LogEntry },
): RunEnd {
  const { heard, error, entry } = came
  const hasAnswered = error === undefined || firstFrameAtMs !== null
  const outcome: Outcome =
    error === undefined ? 'completed' : error.code === 'cancelled' ? 'cancelled' : 'failed'
  return {
    outcome,
    ...(error !== undefined && { error: error.toJSON() }),
    ...(heard?.finish !== undefined && { finish: heard.finish }),
    ...(heard?.usage !== undefined && { usage: heard.usage }),
    ...(heard?.answerType !== undefined && { answerType: heard.answerType }),
    ...(hasAnswered && claim.spec.fallback !== undefined && { fallback: claim.spec.fallback }),
    ...tellCosts(prices, claim.spec, {
      attempts: progress.attempts,
      usage: heard?.usage,
      hasBegun: firstFrameAtMs !== null,
    }),
    frames: entry.count === 0 ? entry.seq : entry.seq + 1,
    startedAtMs: progress.startedAtMs,
    firstFrameAtMs,
    endedAtMs: Date.now(),
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { GatewayError, type ErrorCode } from '#libs/core'
import { getDialect, isStreamDialect, type Dialect, type FrameContext } from '#libs/dialects'
import type { Lease } from '#libs/keys'
import type { Attempt, ClaimResult, FinishedRun, Outcome, RunEnd, RunOpening } from '#libs/runs'
import type { LogEntry } from '#libs/streams'
import type { RunWriter } from './append-pump.ts'
import { callProvider, type Heard } from './call-provider.ts'
import type { WorkerDeps, WorkerProvider } from './deps.ts'
import { endInStore } from './end-run.ts'
import type { HeldRun } from './held-runs.ts'

type Claim = Extract<ClaimResult, { status: 'run' }>

/** A run on its way through this worker. */
interface Journey {
  claim: Claim
  dialect: Dialect
  provider: WorkerProvider
  held: HeldRun
  writer: RunWriter
  attempts: Attempt[]
  firstFrameAtMs: number | null
}

/** How many calls one run may make before its first frame, and how long it rests between two. */
const mostAttempts = 3
const restMs = 250
/** A run waits for a key that rests no longer than this, and is else refused: its client may know a better place. */
const longestKeyWaitMs = 60_000

/**
 * Carries a claimed run from the call to its end: calls the provider, appends what it says, ends the run in one
 * step, and offers it to the archive. Calls again only before the first frame, and only where the provider can't
 * have answered. Never rejects for what a provider or client did: that is the run's own end.
 */
export async function carryRun(deps: WorkerDeps, provider: WorkerProvider, claim: Claim): Promise<void> {
  const { spec, epoch, homeChannel } = claim
  const dialect = getDialect(spec.dialect)
  const held = deps.held.hold(spec.rid)
  const writer = deps.pump.open({
    rid: spec.rid,
    epoch,
    homeChannel,
    opening: () => JSON.stringify(toOpening(journey)),
    restore: () => restoreRun(deps, claim),
    onInterrupt: (result) => held.stop(result === 'cancel' ? 'cancelled' : 'fenced'),
    onError: (error) => deps.logger.error({ err: error, rid: spec.rid }, 'append failed'),
  })
  // A provider may be silent for long, and nobody can come to the run meanwhile.
  held.onMissing = () => void writer.repair()
  const journey: Journey = { claim, dialect, provider, held, writer, attempts: [], firstFrameAtMs: null }
  deps.runMetrics.onClaimed(spec, claim.claimedAtMs)
  try {
    let heard: Heard | undefined
    let error: GatewayError | undefined
    try {
      heard = await callUntilHeard(journey)
    } catch (thrown) {
      error = toEndError(held, thrown)
    }
    if (held.stopped === 'fenced') {
      deps.logger.warn({ rid: spec.rid }, 'another worker took the run over')
      return
    }
    await endRun(deps, journey, heard, error)
  } finally {
    writer.finish()
    held.release()
    deps.runMetrics.onReleased(spec)
  }
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

async function callUntilHeard(journey: Journey): Promise<Heard> {
  const { held, writer, attempts, provider } = journey
  const spentKeys = new Set<string>()
  for (;;) {
    const lease = await leaseKey(journey, spentKeys)
    try {
      return await callOnce(journey, lease)
    } catch (thrown) {
      const error = GatewayError.from(thrown)
      if (lease !== undefined && keyErrors.has(error.code)) spentKeys.add(lease.name)
      const canRetry = writer.seq === 0 && attempts.length < mostAttempts && !held.signal.aborted
      if (!canRetry || !isWorthAnotherCall(error, provider, spentKeys)) throw error
      await sleep(restMs * attempts.length, undefined, { signal: held.signal })
    }
  }
}

const keyErrors: ReadonlySet<ErrorCode> = new Set([
  'rate_limit_exceeded',
  'insufficient_quota',
  'upstream_auth_failed',
])

/**
 * A limited or refused key gives way to another; a provider that answered with its own failure, or was never
 * reached, gets another chance. A call of which nobody knows what came of it is not made again: it may be paid.
 */
function isWorthAnotherCall(
  { code }: GatewayError,
  provider: WorkerProvider,
  spentKeys: ReadonlySet<string>,
): boolean {
  if (keyErrors.has(code)) return provider.keys.lease(spentKeys).status !== 'none'
  return code === 'upstream_error' || code === 'upstream_unreachable'
}

async function callOnce(journey: Journey, lease: Lease | undefined): Promise<Heard> {
  const { claim, dialect, provider, held, writer, attempts } = journey
  const { spec, body } = claim
  const attempt: Attempt = {
    provider: spec.provider,
    model: spec.target,
    key: lease?.name ?? null,
    startedAtMs: Date.now(),
    durationMs: 0,
    outcome: 'ok',
  }
  attempts.push(attempt)
  try {
    const heard = await callProvider(
      {
        spec,
        body,
        dialect,
        frames: toFrameContext(claim),
        provider,
        key: lease?.value,
        signal: held.signal,
      },
      {
        get seq() {
          return writer.seq
        },
        write(frame) {
          journey.firstFrameAtMs ??= Date.now()
          writer.write(frame)
        },
      },
    )
    lease?.release()
    return heard
  } catch (thrown) {
    const error = GatewayError.from(thrown)
    attempt.outcome = error.code
    lease?.release(error)
    throw error
  } finally {
    attempt.durationMs = Date.now() - attempt.startedAtMs
  }
}

/** A key for the next call; waits while all that are left rest. */
async function leaseKey(
  { provider, held }: Journey,
  spentKeys: ReadonlySet<string>,
): Promise<Lease | undefined> {
  const { name, keys } = provider.config
  if (keys.length === 0) return undefined
  for (;;) {
    const lease = provider.keys.lease(spentKeys)
    if (lease.status === 'leased') return lease
    if (lease.status === 'none') {
      throw new GatewayError('upstream_auth_failed', `Provider ${name} has refused all of its keys.`, {
        provider: name,
      })
    }
    const waitMs = Math.max(1, Math.ceil(lease.untilMs - performance.now()))
    if (waitMs > longestKeyWaitMs) {
      throw new GatewayError('rate_limit_exceeded', `All keys of provider ${name} are at their limit.`, {
        provider: name,
        retryAfterMs: waitMs,
      })
    }
    await sleep(waitMs, undefined, { signal: held.signal })
  }
}

function toEndError(held: HeldRun, thrown: unknown): GatewayError {
  if (held.stopped === 'cancelled') return new GatewayError('cancelled', 'The run was cancelled.')
  if (held.stopped === 'drained') {
    return new GatewayError('worker_lost', 'The worker had to stop before the answer was complete.')
  }
  return GatewayError.from(thrown)
}

function toFrameContext({ spec, body }: Claim): FrameContext {
  return {
    rid: spec.rid,
    model: spec.model,
    createdAt: Math.floor(spec.createdAtMs / 1000),
    includeUsage: spec.includeUsage,
    request: body,
  }
}

function toOpening({ claim, attempts, firstFrameAtMs }: Journey): RunOpening {
  const { spec, claimedAtMs } = claim
  return {
    provider: spec.provider,
    target: spec.target,
    attempts: attempts.length,
    queueMs: Math.max(0, claimedAtMs - spec.createdAtMs),
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
  const end = toEnd(journey, heard, error, entry)
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
  { claim, attempts, firstFrameAtMs }: Journey,
  heard: Heard | undefined,
  error: GatewayError | undefined,
  entry: LogEntry,
): RunEnd {
  const outcome: Outcome =
    error === undefined ? 'completed' : error.code === 'cancelled' ? 'cancelled' : 'failed'
  return {
    outcome,
    ...(error !== undefined && { error: error.toJSON() }),
    ...(heard?.finish !== undefined && { finish: heard.finish }),
    ...(heard?.usage !== undefined && { usage: heard.usage }),
    ...(heard?.answerType !== undefined && { answerType: heard.answerType }),
    attempts,
    frames: entry.count === 0 ? entry.seq : entry.seq + 1,
    startedAtMs: claim.claimedAtMs,
    firstFrameAtMs,
    endedAtMs: Date.now(),
  }
}

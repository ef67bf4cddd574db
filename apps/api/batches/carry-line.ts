import { deriveRunId, GatewayError, type ErrorCode, type RunId } from '#libs/core'
import { openaiResponses, type Dialect } from '#libs/dialects'
import { StorageError } from '#libs/storage'
import { beforeAll } from '#libs/streams'
import { cancelRun } from '../cancel-run.ts'
import { createEndWaiter, type EndedRun } from '../deliver-json.ts'
import type { ApiDeps } from '../deps.ts'
import { toGatewayError } from '../error-handler.ts'
import { lookUp, readAnswer } from '../find-run.ts'
import { prepareResponse } from '../prepare-response.ts'
import { accept, prepare, type Prepared } from '../submit.ts'
import type { BatchLine, LineResult } from './format.ts'
import { LeftBatch, type HeldBatch } from './held-batch.ts'

/** One request of a batch, and all that its run is made of. */
export interface LineJourney {
  deps: ApiDeps
  held: HeldBatch
  dialect: Dialect
  number: number
  /** 32 hex digits that stand for the line. */
  id: string
  line: BatchLine
  /** Whether an earlier holder may have made a run of it. */
  mayHaveBegun: boolean
  /** Called once the run is written down, or nothing will be: the body is needed no more. */
  onAccepted: () => void
}

/** What says that there is no room for a run just now, and nothing about the run. */
const noRoom: ReadonlySet<ErrorCode> = new Set([
  'queue_full',
  'overloaded',
  'draining',
  'rate_limit_exceeded',
])
const noRoomWaitMs = 500
const outageWaitMs = 1_000
/** A run that its provider did not even look at is tried again as another one, later each time. */
const mostTries = 6
const firstRetryMs = 2_000
/** Apart by so much, the ids of neighbours lie in few objects of the archive, and none holds all of a batch. */
const msBetweenLines = 20

/**
 * Carries a line to its result. Its run's id follows from the batch and the line's number, so whoever comes to the
 * line again finds the same run, and pays for nothing twice. Throws `LeftBatch`.
 */
export async function carryLine(journey: LineJourney): Promise<LineResult> {
  const { held } = journey
  for (let attempt = 0; ; attempt += 1) {
    const result = await carryAttempt(journey, attempt)
    const isLast = attempt === mostTries - 1 || held.ending.aborted
    if (isLast || result.outcome !== 'failed' || result.error.code !== 'rate_limit_exceeded') return result
    await held.pause(Math.max(result.error.retryAfterMs ?? 0, firstRetryMs * 2 ** attempt))
  }
}

async function carryAttempt(journey: LineJourney, attempt: number): Promise<LineResult> {
  const { deps, held, mayHaveBegun, onAccepted } = journey
  const { tenant } = held.spec
  const rid = ridOf(journey, attempt)
  if (mayHaveBegun) {
    const found = await untilAnswered(held, () => lookUp(deps, rid, tenant))
    if (found === 'deleted') return deleted()
    if (found !== undefined) {
      onAccepted()
      return readResult(journey, rid)
    }
  }
  if (held.ending.aborted) return unanswered(held)
  let prepared: Prepared
  try {
    prepared = await untilThereIsRoom(held, () => prepareLine(journey, rid))
  } catch (error) {
    if (error instanceof LeftBatch) throw error
    return held.ending.aborted ? unanswered(held) : toFailure(error)
  }
  return beginRun(journey, prepared)
}

/** The run of a line, and of each try after the first another one. */
function ridOf({ held, dialect, number }: LineJourney, attempt: number): RunId {
  const { id, createdAtMs } = held.spec
  return deriveRunId(dialect.idPrefix, `${id}/${number}/${attempt}`, createdAtMs + number * msBetweenLines)
}

async function prepareLine({ deps, held, dialect, id, line }: LineJourney, rid: RunId): Promise<Prepared> {
  const { tenant, keyName, endpoint, headers, id: batch } = held.spec
  const caller = deps.recallCaller(keyName)
  if (caller?.tenant !== tenant) {
    throw new GatewayError('invalid_api_key', 'The API key that created the batch is not known any more.')
  }
  const { json, body } = line
  const submission = { caller, dialect, endpoint, json, body, headers, requestId: `req_${id}` }
  const isResponse = dialect === openaiResponses
  const prepared = await (isResponse ? prepareResponse(deps, submission) : prepare(deps, submission))
  // The batch has an expiry of its own, and is told of as a whole.
  const { deadlineMs: _deadline, background: _background, ...spec } = prepared.spec
  return {
    ...prepared,
    spec: { ...spec, rid, batch, lane: 'batch', stream: false, onDisconnect: 'continue' },
  }
}

/** Makes a run of the line as soon as there is room for one, and follows it to its end. */
async function beginRun(journey: LineJourney, prepared: Prepared): Promise<LineResult> {
  const { deps, held, onAccepted } = journey
  const { rid, tenant } = prepared.spec
  for (;;) {
    const waiter = createEndWaiter()
    const following = deps.readers.followNew(rid, tenant, waiter.reader)
    try {
      held.check()
      await accept(deps, prepared, deps.readers.homeChannel)
      onAccepted()
      const ended = await untilEnd(journey, rid, waiter.ended).catch(rethrowLeft)
      return ended === undefined ? await readResult(journey, rid) : toResult(held, ended)
    } catch (error) {
      if (error instanceof LeftBatch) throw error
      const refusal = toGatewayError(error)
      if (!noRoom.has(refusal.code)) return toFailure(refusal)
      await held.pause(refusal.retryAfterMs ?? noRoomWaitMs)
      // It may have been written down all the same, if Redis did not say.
      if (held.ending.aborted) return await readResult(journey, rid, unanswered(held))
    } finally {
      following.stop()
    }
  }
}

/** The result of a run that was accepted, wherever it is and however far; `otherwise` if it never was. */
async function readResult(
  journey: LineJourney,
  rid: RunId,
  otherwise: LineResult = lost(),
): Promise<LineResult> {
  const { deps, held } = journey
  const { tenant } = held.spec
  for (;;) {
    const found = await untilAnswered(held, () => lookUp(deps, rid, tenant))
    if (found === undefined) return otherwise
    if (found === 'deleted') return deleted()
    const { end } = found.run
    if (end !== null) {
      return toResult(held, { end, answer: await untilAnswered(held, () => readAnswer(deps, found)) })
    }
    const waiter = createEndWaiter()
    const following = deps.readers.follow(rid, tenant, beforeAll, waiter.reader)
    try {
      const ended = await untilEnd(journey, rid, waiter.ended).catch(rethrowLeft)
      if (ended !== undefined) return toResult(held, ended)
    } finally {
      following.stop()
    }
  }
}

/** Waits for the end, and hastens it when the batch itself is to end. Throws `LeftBatch`. */
async function untilEnd(
  journey: LineJourney,
  rid: RunId,
  ended: Promise<EndedRun | undefined>,
): Promise<EndedRun | undefined> {
  const { ending, leaving } = journey.held
  const left = Promise.withResolvers<never>()
  const onLeaving = (): void => left.reject(new LeftBatch())
  const onEnding = (): void => void cancelLine(journey, rid)
  leaving.addEventListener('abort', onLeaving)
  ending.addEventListener('abort', onEnding)
  if (leaving.aborted) onLeaving()
  else if (ending.aborted) onEnding()
  try {
    return await Promise.race([ended, left.promise])
  } finally {
    leaving.removeEventListener('abort', onLeaving)
    ending.removeEventListener('abort', onEnding)
  }
}

async function cancelLine({ deps, held }: LineJourney, rid: RunId): Promise<void> {
  const { tenant } = held.spec
  try {
    const run = await untilAnswered(held, () => deps.store.get(rid, tenant))
    if (run === undefined || run === 'deleted') return
    await untilAnswered(held, () => cancelRun(deps, run.spec))
  } catch (error) {
    if (!(error instanceof LeftBatch)) deps.logger.warn({ err: error, rid }, 'a line could not be cancelled')
  }
}

/** Repeats what only an outage keeps from being answered, for as long as the batch is held. */
async function untilAnswered<T>(held: HeldBatch, ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      const isOutage = error instanceof StorageError || toGatewayError(error).code === 'overloaded'
      if (!isOutage) throw error
      await held.waitOut(outageWaitMs)
    }
  }
}

async function untilThereIsRoom(held: HeldBatch, ask: () => Promise<Prepared>): Promise<Prepared> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      const { code, retryAfterMs } = toGatewayError(error)
      if (!noRoom.has(code) || held.ending.aborted) throw error
      await held.pause(retryAfterMs ?? noRoomWaitMs)
    }
  }
}

function toResult(held: HeldBatch, { end, answer }: EndedRun): LineResult {
  if (end.outcome === 'completed') return { outcome: 'completed', answer, usage: end.usage }
  if (end.outcome === 'cancelled' && held.ending.aborted) return unanswered(held)
  return toFailure(end.error === undefined ? undefined : GatewayError.fromJSON(end.error))
}

/** What a line comes to that the batch's own end has overtaken. */
function unanswered({ ending }: HeldBatch): LineResult {
  return { outcome: ending.reason as 'cancelled' | 'expired' }
}

function deleted(): LineResult {
  return toFailure(new GatewayError('response_not_found', 'The run of this request was deleted.'))
}

function lost(): LineResult {
  return toFailure(
    new GatewayError(
      'upstream_outcome_unknown',
      'The run of this request was lost; the provider may have acted.',
    ),
  )
}

function toFailure(error: unknown): LineResult {
  return { outcome: 'failed', error: toGatewayError(error).toJSON() }
}

function rethrowLeft(error: unknown): undefined {
  if (error instanceof LeftBatch) throw error
}

import { setTimeout as sleep } from 'node:timers/promises'
import { GatewayError, type ErrorCode } from '#libs/core'
import type { Lease } from '#libs/keys'
import { classOf, nextAfter, targetName } from '#libs/routing'
import { admitCall, type Readiness, type ReadyCall } from './admit-call.ts'
import { callOnce } from './call-once.ts'
import type { Heard } from './call-provider.ts'
import { chooseNext, countUntried, leaveTarget, noteLimit, withTarget } from './go-on.ts'
import { callHedged } from './hedge.ts'
import { callsTo, currentTarget, type Journey } from './journey.ts'
import { openOperator } from '../operations/operator.ts'
import { toLastError } from './last-error.ts'
import type { Candidate } from './routes.ts'

/** The run is to go on at this target: at another provider, or after a while. */
export interface Elsewhere {
  status: 'elsewhere'
  candidate: Candidate
  delayMs: number
}

/** Calls that one run may make before its first frame, whoever makes them. */
const mostCalls = 10
/** A run keeps its place at the provider while it waits no longer than this in all. */
const shortWaitMs = 1_000

/**
 * Calls the run's target until it is heard, then other targets of the same provider. Throws the error that the run ends
 * with when nobody is left to call.
 */
export async function callUntilHeard(
  journey: Journey,
): Promise<{ status: 'heard'; heard: Heard } | Elsewhere> {
  for (;;) {
    journey.held.signal.throwIfAborted()
    const ready = await admitCall(journey)
    let error: GatewayError | undefined
    if (ready.status === 'open') {
      journey.illUntilMs.set(currentTarget(journey), ready.untilMs)
      journey.lastError ??= circuitOpen(journey, ready.untilMs)
    } else if (ready.status === 'wait') {
      noteLimit(journey, currentTarget(journey), ready.untilMs)
    } else if (ready.status === 'none') {
      error = refusedAll(journey)
      leaveTarget(journey, error.code)
    } else {
      try {
        return { status: 'heard', heard: await call(journey, ready) }
      } catch (thrown) {
        error = GatewayError.from(thrown)
        journey.lastError = error
      }
      const restMs = judge(journey, ready.lease, error)
      if (restMs !== undefined && restMs <= shortWaitMs) {
        await sleep(restMs, undefined, { signal: journey.held.signal })
        continue
      }
      if (restMs === undefined) leaveTarget(journey, error.code)
      else noteLimit(journey, currentTarget(journey), Date.now() + restMs)
    }
    const elsewhere = await goOn(journey, ready, error?.code)
    if (elsewhere !== undefined) return elsewhere
  }
}

function call(journey: Journey, ready: ReadyCall): Promise<Heard> {
  const { claim, routes, held, progress, provider, dialect } = journey
  const { spec } = claim
  const { hedgeAfterMs } = routes.policyOf(spec)
  const begins = openOperator(provider, dialect, { spec, key: undefined, signal: held.signal }) !== undefined
  // The second call counts too; and work that was begun twice would be paid twice.
  if (begins || hedgeAfterMs === undefined || progress.attempts.length + 2 > mostCalls) {
    return callOnce(journey, { spec, ready, signal: held.signal })
  }
  return callHedged(journey, ready, hedgeAfterMs)
}

/**
 * How long to rest before the same target is called once more; `undefined` if it is not. Throws what ends the run, here
 * and now. A limited or refused key gives way to another at once.
 */
function judge(journey: Journey, lease: Lease, error: GatewayError): number | undefined {
  const { held, writer, progress, provider, spentKeys } = journey
  const { code } = error
  const next = nextAfter(code)
  const isFirst = progress.left.length === 0
  if (writer.seq > 0 || held.signal.aborted || next === 'end' || (next === 'client' && isFirst)) throw error
  const isRefused = classOf(code) === 'authentication'
  if (isRefused && lease.name === null) return undefined
  if (isRefused && lease.name !== null) spentKeys.add(lease.name)
  const policy = journey.routes.policyOf(journey.claim.spec)
  const calls = callsTo(currentTarget(journey), progress).length
  if (calls > policy.retriesAfter(code)) return undefined
  if (progress.attempts.length + countUntried(journey, code) >= mostCalls) return undefined
  const isOfKey = lease.name !== null && (isRefused || classOf(code) === 'rateLimit')
  if (isOfKey) return calls < provider.keys.size ? 0 : policy.retryDelayMs
  return Math.max(policy.retryDelayMs * calls, error.retryAfterMs ?? 0)
}

/** Turns to the next target, here or elsewhere. */
async function goOn(
  journey: Journey,
  ready: Readiness,
  code: ErrorCode | undefined,
): Promise<Elsewhere | undefined> {
  const { progress, provider, held } = journey
  const step = chooseNext(journey, code)
  const isHere = step.status !== 'none' && targetName(step.candidate) === currentTarget(journey)
  if (ready.status === 'wait' && !isHere) ready.leave()
  if (step.status === 'none') throw toLastError(journey, step.soonestMs)
  if (progress.attempts.length >= mostCalls) throw toLastError(journey, undefined)
  const { candidate } = step
  if (!isHere) progress.error ??= journey.lastError?.toJSON()
  const delayMs = step.status === 'wait' ? Math.max(0, step.untilMs - Date.now()) : 0
  if (step.status === 'wait') progress.waitsSinceMs ??= Date.now()
  journey.waitedMs += delayMs
  if (candidate.provider !== provider.config.name || journey.waitedMs > shortWaitMs) {
    return { status: 'elsewhere', candidate, delayMs }
  }
  journey.claim = { ...journey.claim, spec: withTarget(journey.claim.spec, candidate) }
  if (delayMs > 0) await sleep(delayMs, undefined, { signal: held.signal })
  return undefined
}

function circuitOpen({ provider }: Journey, untilMs: number): GatewayError {
  const { name } = provider.config
  const message = `Provider ${name} has failed with this model too often, and is not called for a while.`
  return new GatewayError('circuit_open', message, {
    provider: name,
    retryAfterMs: Math.max(1, untilMs - Date.now()),
  })
}

/** What the provider itself has just said of its keys tells more. */
function refusedAll(journey: Journey): GatewayError {
  const { spec } = journey.claim
  const { name } = journey.provider.config
  const last = journey.progress.attempts.at(-1)
  if (journey.lastError !== undefined && last !== undefined && targetName(last) === currentTarget(journey)) {
    return journey.lastError
  }
  const message = `Provider ${name} has no key for ${spec.target} that it has not refused.`
  journey.lastError = new GatewayError('upstream_auth_failed', message, { provider: name })
  return journey.lastError
}

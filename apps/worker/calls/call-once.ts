import { addMissingFields, GatewayError } from '#libs/core'
import type { Attempt, RunSpec } from '#libs/runs'
import type { ReadyCall } from './admit-call.ts'
import { callProvider, type Heard } from './call-provider.ts'
import { toFrameContext, type Journey } from './journey.ts'
import { toLeased } from './lease-key.ts'
import { createCostTeller } from './run-cost.ts'

/** One call to make for a run. */
export interface Call {
  /** With the target. */
  spec: RunSpec
  ready: ReadyCall
  signal: AbortSignal
  /** Asked with each frame: whether it is to be heard. */
  isHeard?: () => boolean
}

/** Makes the call, and notes what came of it among the run's attempts. */
export async function callOnce(journey: Journey, { spec, ready, signal, isHeard }: Call): Promise<Heard> {
  const { claim, dialect, provider, writer, progress, routes } = journey
  const { admitted, lease } = ready
  const attempt: Attempt = {
    provider: spec.provider,
    model: spec.target,
    key: lease.name,
    startedAtMs: Date.now(),
    durationMs: 0,
    outcome: 'ok',
  }
  progress.attempts.push(attempt)
  const { timeouts, params } = routes.policyOf(spec)
  const frames = toFrameContext(claim)
  const isJson = spec.bodyType === undefined
  const body = isJson && params !== undefined ? addMissingFields(claim.body, params) : claim.body
  const leased = toLeased(provider, lease)
  const tellCost = createCostTeller(journey.prices, spec)
  try {
    const heard = await callProvider(
      { spec, body, dialect, frames, provider: leased, key: lease.value, timeouts, tellCost, signal },
      {
        get seq() {
          return writer.seq
        },
        write(frame) {
          if (isHeard?.() === false) return
          journey.firstFrameAtMs ??= Date.now()
          admitted.heard()
          writer.write(frame)
        },
      },
    )
    const tokens = countTokens(heard)
    lease.release({ tokens, headers: heard.headers })
    admitted.report({ tokens: tokens ?? 0 })
    journey.caches.answered(spec, lease.name, heard.usage)
    return heard
  } catch (thrown) {
    const error = GatewayError.from(thrown)
    attempt.outcome = error.code
    lease.release({ error })
    admitted.report({ error: error.code })
    throw error
  } finally {
    attempt.durationMs = Date.now() - attempt.startedAtMs
  }
}

/** `undefined` where the provider did not tell. */
function countTokens({ usage }: Heard): number | undefined {
  const { inputTokens, outputTokens } = usage ?? {}
  const isTold = inputTokens !== undefined || outputTokens !== undefined
  return isTold ? (inputTokens ?? 0) + (outputTokens ?? 0) : undefined
}

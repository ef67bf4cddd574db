import { setTimeout as sleep } from 'node:timers/promises'
import { GatewayError, type ErrorCode } from '#libs/core'
import type { Lease } from '#libs/keys'
import type { Attempt } from '#libs/runs'
import { callProvider, type Heard } from './call-provider.ts'
import type { WorkerProvider } from './deps.ts'
import { toFrameContext, type Journey } from './journey.ts'
import { leaseKey } from './lease-key.ts'

/** How many calls one run may make before its first frame, and how long it rests between two. */
const mostAttempts = 3
const restMs = 250
/** Calls the provider until it is heard. Throws what the last call brought when another is of no use. */
export async function callUntilHeard(journey: Journey): Promise<Heard> {
  const { held, writer, attempts, provider } = journey
  const spentKeys = new Set<string>()
  let lastError: GatewayError | undefined
  for (;;) {
    const lease = await leaseKey(journey, spentKeys, lastError)
    try {
      return await callOnce(journey, lease)
    } catch (thrown) {
      const error = GatewayError.from(thrown)
      if (lease !== undefined && keyErrors.has(error.code)) spentKeys.add(lease.name)
      const canRetry = writer.seq === 0 && attempts.length < mostAttempts && !held.signal.aborted
      if (!canRetry || !isWorthAnotherCall(error, provider, spentKeys)) throw error
      lastError = error
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
  if (keyErrors.has(code)) return spentKeys.size < provider.keys.size
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
    lease?.release({})
    return heard
  } catch (thrown) {
    const error = GatewayError.from(thrown)
    attempt.outcome = error.code
    lease?.release({ error })
    throw error
  } finally {
    attempt.durationMs = Date.now() - attempt.startedAtMs
  }
}

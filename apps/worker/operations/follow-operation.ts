import { GatewayError } from '#libs/core'
import { toVideo, type VideoAsset } from '#libs/dialects'
import type { OperationFile } from '#libs/providers'
import type { Operation, RunMedia } from '#libs/runs'
import type { Heard } from '../calls/call-provider.ts'
import type { Journey } from '../calls/journey.ts'
import type { Elsewhere } from '../calls/try-calls.ts'
import { openOperator, type Operator } from './operator.ts'

const firstPollMs = 1_000
const longestPollMs = 10_000
const longestRetryMs = 60_000
const shortestPollMs = 50
/** With the rests between them, an hour of a provider that can't be reached. */
const mostFailures = 70

/**
 * Work that a call has just begun at the provider. The run goes back to the waiting at once, and the work's name with
 * it: whoever has the run from then on only asks for it, so that nothing ever begins it again.
 */
export function keepOperation(journey: Journey, id: string): Elsewhere {
  const { progress } = journey
  const key = progress.attempts.at(-1)?.key ?? null
  progress.operation = { id, key, polls: 0, failures: 0 }
  return later(journey, firstPollMs)
}

/**
 * Asks once how far the work is, and keeps what it has made. Between two questions nobody holds the run, and no place at
 * the provider. What failed to be asked or fetched is tried again later, since the work is paid for; throws what can't
 * get better.
 */
export async function followOperation(
  journey: Journey,
  operation: Operation,
  media: RunMedia,
): Promise<{ status: 'heard'; heard: Heard } | Elsewhere> {
  let failure: GatewayError
  try {
    const operator = openFor(journey, operation)
    const { state, afterMs } = await operator.look(operation.id)
    operation.polls += 1
    if (state.status === 'done') {
      return { status: 'heard', heard: await fetchFiles(journey, operator, state.files, media) }
    }
    if (state.status === 'running') {
      operation.failures = 0
      operation.percent = state.percent ?? operation.percent ?? 0
      return later(journey, afterMs ?? Math.min(firstPollMs * 1.5 ** operation.polls, longestPollMs))
    }
    failure = state.error
  } catch (thrown) {
    journey.held.signal.throwIfAborted()
    failure = GatewayError.from(thrown)
    operation.failures += 1
    if (failure.retryable && operation.failures <= mostFailures) {
      const restMs = Math.min(firstPollMs * 2 ** operation.failures, longestRetryMs)
      return later(journey, failure.retryAfterMs ?? restMs)
    }
  }
  throw failure
}

function openFor({ claim, dialect, provider, held, routes }: Journey, { key: name }: Operation): Operator {
  const { keys } = provider.config
  // A key that was taken away since may be followed by one of the same account.
  const key = keys.find((known) => known.name === name) ?? (name === null ? undefined : keys[0])
  const operator = openOperator(
    { spec: provider.spec, connected: (key && provider.endpoints.get(key.name)) ?? provider.connected },
    dialect,
    {
      spec: claim.spec,
      key: key?.value,
      timeouts: routes.policyOf(claim.spec).timeouts,
      signal: held.signal,
    },
  )
  if (operator !== undefined) return operator
  throw new GatewayError(
    'invalid_request',
    `Provider ${provider.config.name} can't tell of such work any more.`,
  )
}

async function fetchFiles(
  { claim, held }: Journey,
  operator: Operator,
  files: readonly OperationFile[],
  media: RunMedia,
): Promise<Heard> {
  const assets: VideoAsset[] = []
  for (const file of files) {
    try {
      const { type, pieces } = await operator.read(file)
      const { bytes, sha256 } = await media.store(claim.spec, file.name, pieces)
      assets.push({ variant: file.name, bytes, content_type: cleanType(type), sha256 })
    } catch (error) {
      held.signal.throwIfAborted()
      if (file.isOptional !== true || !(error instanceof GatewayError)) throw error
    }
  }
  const { rid, model, createdAtMs } = claim.spec
  const answer = toVideo(claim.body, {
    id: rid,
    model,
    createdAt: Math.floor(createdAtMs / 1000),
    completedAt: Math.floor(Date.now() / 1000),
    status: 'completed',
    progress: 100,
    error: null,
    assets,
  })
  return { finish: undefined, usage: undefined, answer: JSON.stringify(answer) }
}

/** It becomes a header of ours; and what is no picture and no film is shown by nobody. */
function cleanType(type: string): string {
  return /^(?:video|image)\/[\w.+-]{1,60}$/.test(type) ? type : 'application/octet-stream'
}

function later({ claim: { spec } }: Journey, delayMs: number): Elsewhere {
  const { provider, target: model, fallback } = spec
  return {
    status: 'elsewhere',
    candidate: { provider, model, ...(fallback !== undefined && { fallback }) },
    delayMs: Math.max(shortestPollMs, delayMs),
  }
}

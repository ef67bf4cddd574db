import type { CacheDecision, Cost, RunId } from '#libs/core'
import { isEnded, type Attempt, type Run, type RunSpec } from '#libs/runs'
import type { ApiDeps } from './deps.ts'
import { readAnswer, type FoundRun } from './find-run.ts'

/** Every status that a job may have, in the order of its life. */
export const jobStatuses = ['queued', 'in_progress', 'completed', 'failed', 'cancelled'] as const
/** One of {@link jobStatuses}. */
export type JobStatus = (typeof jobStatuses)[number]

/** A run as the jobs API tells it. */
export interface JobResource {
  id: RunId
  object: 'job'
  status: JobStatus
  endpoint: string
  model: string
  created_at: number
  started_at: number | null
  completed_at: number | null
  /** When it is ended if it has not by then; null without a deadline, and once it has ended. */
  expires_at: number | null
  /** How many runs come first, while it waits. */
  queue_position?: number
  /** When that makes it start, at the pace of the last minute; absent if there was none. */
  estimated_start_at?: number
  last_sequence_number: number | null
  metadata: Record<string, string>
  /** The calls that were made so far, in their order; those of a worker that goes on with it come when it has ended. */
  attempts: AttemptResource[]
  request_id: string
  /** Of a cache-aware model: which cache was preferred, and why. */
  routing?: RoutingResource
  /** Null while it has not ended, and when nothing can have been paid for it. */
  cost: Cost | null
  response: { status_code: number; request_id: string; body: unknown } | null
  error: { code: string; message: string } | null
}

/** How the target was chosen. What was chosen and what answered, `attempts` tells, may differ. */
export interface RoutingResource {
  provider: string
  model: string
  key: string | null
  reason: CacheDecision['reason']
  preference: CacheDecision['preference']
  cached_tokens: number
  /** In nanodollars; null where the price is unknown. */
  expected_saving: number | null
}

/** One call to a provider. */
export interface AttemptResource {
  provider: string
  model: string
  /** The name of the key. */
  key: string | null
  outcome: string
  duration_ms: number
  /** As that of the job. */
  cost: Cost | null
}

/** A job with all that can be told of it. */
export async function toJob(deps: ApiDeps, found: FoundRun): Promise<JobResource> {
  const job = toListedJob(found.run)
  const { spec } = found.run
  return {
    ...job,
    ...(job.status === 'queued' && (await readPlace(deps, spec))),
    response: await toResponse(deps, found),
  }
}

async function readPlace(
  deps: ApiDeps,
  spec: RunSpec,
): Promise<Pick<JobResource, 'queue_position' | 'estimated_start_at'>> {
  const [position, perSecond] = await Promise.all([
    readPosition(deps, spec),
    deps.pace.perSecond(spec.provider),
  ])
  if (position === undefined) return {}
  if (perSecond === undefined) return { queue_position: position }
  const startsAtMs = Date.now() + ((position + 1) * 1000) / perSecond
  return { queue_position: position, estimated_start_at: Math.ceil(startsAtMs / 1000) }
}

/** One that nobody need look at yet has no turn; then its age tells where it would be. */
async function readPosition(
  { queues, store }: ApiDeps,
  { rid, provider }: RunSpec,
): Promise<number | undefined> {
  return (await queues.get(provider)?.position(rid)) ?? store.position(rid, provider)
}

/** A job without its answer and its place, for lists. */
export function toListedJob(
  run: Run,
): Omit<JobResource, 'response' | 'queue_position' | 'estimated_start_at'> {
  const { spec, end } = run
  return {
    id: spec.rid,
    object: 'job',
    status: jobStatus(run),
    endpoint: spec.endpoint,
    model: spec.model,
    created_at: toSeconds(spec.createdAtMs),
    started_at: run.claimedAtMs === null ? null : toSeconds(run.claimedAtMs),
    completed_at: end === null ? null : toSeconds(end.endedAtMs),
    expires_at:
      end !== null || spec.deadlineMs === undefined ? null : toSeconds(spec.createdAtMs + spec.deadlineMs),
    last_sequence_number: end !== null && spec.stream ? end.frames - 1 : null,
    metadata: spec.metadata,
    attempts: (end?.attempts ?? run.progress?.attempts ?? []).map(toAttempt),
    request_id: spec.requestId,
    ...(spec.routing !== undefined && { routing: toRouting(spec.routing) }),
    cost: end?.cost ?? null,
    error: end?.error === undefined ? null : { code: end.error.code, message: end.error.message },
  }
}

function toRouting(decision: CacheDecision): RoutingResource {
  const { provider, model, key, reason, preference, cachedTokens, expectedSavingNanodollars } = decision
  const expected = { cached_tokens: cachedTokens, expected_saving: expectedSavingNanodollars }
  return { provider, model, key, reason, preference, ...expected }
}

function toAttempt({ provider, model, key, outcome, durationMs, cost }: Attempt): AttemptResource {
  return { provider, model, key, outcome, duration_ms: durationMs, cost: cost ?? null }
}

/** How far the run is, in the words of the jobs API. */
export function jobStatus({ state, end, progress }: Run): JobStatus {
  if (end !== null) return end.outcome
  // Nobody holds it while the provider is at work.
  if (progress?.operation !== undefined) return 'in_progress'
  return state === 'accepted' ? 'queued' : 'in_progress'
}

async function toResponse(deps: ApiDeps, found: FoundRun): Promise<JobResource['response']> {
  if (!isEnded(found.run) || found.run.end.outcome !== 'completed') return null
  const { answerType } = found.run.end
  const answer = await readAnswer(deps, found)
  const body: unknown =
    answerType === undefined ? JSON.parse(answer) : { content_type: answerType, base64: answer }
  return { status_code: 200, request_id: found.run.spec.requestId, body }
}

function toSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000)
}

import type { CacheDecision, Cost, ErrorRecord, FinishReason, RunId, Usage } from '#libs/core'

/** The priority class a run waits in. */
export const lanes = ['interactive', 'standard', 'batch'] as const
/** One of {@link lanes}. */
export type Lane = (typeof lanes)[number]

/**
 * The first of the job priorities that are a lane's; lower goes first. BullMQ has 2,097,151 of them behind 0, and each
 * lane a third. Within its third a job's priority is the round of its run, as `order.lua` tells.
 */
export const lanePriority: Readonly<Record<Lane, number>> = {
  interactive: 1,
  standard: 699_051,
  batch: 1_398_101,
}
/** How many each lane has. */
export const lanePriorities = 699_050

/**
 * A run's way, each arrow one idempotent script that compares the epoch; `transitions` has every step.
 *
 *     accepted → dispatched → streaming → ended → persisted
 *
 * `accepted`: record and body are written, a job asks for a worker. `dispatched`: a worker has claimed it under a
 * new epoch, and may have called the provider; no other worker calls one for this run, unless this one gives it back
 * because its calls brought nothing. `streaming`: at least one frame is in the log.
 * `ended`: the end is in the log and the run waits in the outbox. `persisted`: the archive holds it, and Redis
 * forgets it after a while.
 */
export type RunState = 'accepted' | 'dispatched' | 'streaming' | 'ended' | 'persisted'

/** How a run ended; `failed` and `cancelled` may have brought a part of the answer. */
export type Outcome = 'completed' | 'failed' | 'cancelled'

/** What the run of a cache-aware model remembers of how it was routed, so that the next ones can follow it. */
export interface CacheRouting extends CacheDecision {
  /** How often in a row the preferred cache had nothing although it should have. */
  misses: number
  /** By which later requests find the cache that this one fills, and their tokens. Digests tell nothing of a prompt. */
  prefixes: readonly { digest: string; tokens: number }[]
  /** The same for the conversation that the client named. */
  session?: { digest: string; tokens: number } | undefined
}

/** What is fixed about a run when it is accepted. */
export interface RunSpec {
  rid: RunId
  tenant: string
  requestId: string
  /** The name of the client's dialect. */
  dialect: string
  /** The path that was called, such as `/v1/chat/completions`. */
  endpoint: string
  /** The model that the client asked for. */
  model: string
  /** The model that is asked instead. */
  fallback?: string
  /** The models that the client wants to be asked instead, in this order; absent: those of the configuration. */
  fallbacks?: string[]
  /** From acceptance to its end. */
  deadlineMs?: number
  provider: string
  /** How many runs of its tenant may run there at once; absent: as many as the provider takes. */
  maxRunning?: number
  /** The provider's name for the model. */
  target: string
  /** Of a cache-aware model: why this target, and which of its keys. */
  routing?: CacheRouting
  stream: boolean
  includeUsage: boolean
  /** Whether the usage tells the cost. */
  includeCost?: boolean
  store: boolean
  metadata: Record<string, string>
  lane: Lane
  /** It was handed in for later, so webhooks are told of its end. */
  background?: true
  onDisconnect: 'continue' | 'cancel'
  /** Absent: a run whose worker died after the call, and before the first frame, fails. */
  onWorkerLoss?: 'fail' | 'retry_once'
  /** Absent: its end is told as soon as Redis has it; `s3`: only when the archive has it. */
  durability?: 'redis' | 's3'
  /** The batch whose line it is; it is not listed by itself then. */
  batch?: string
  /** The content type of a body that is not JSON; the body is then kept as base64. */
  bodyType?: string
  /** It counts under limits of its client's key, and gives its place back when it ends. */
  isLimited?: true
  /** The client's headers that go on to the provider, such as `anthropic-beta`. */
  headers: Record<string, string>
  createdAtMs: number
}

/** One call to a provider with one key. */
export interface Attempt {
  provider: string
  model: string
  /** The key's name, never its value. */
  key: string | null
  startedAtMs: number
  durationMs: number
  /** `ok`, or the code of the error. */
  outcome: string
  /** Absent if nothing can have been paid for it. */
  cost?: Cost
}

/** Work that goes on at the provider. It was begun once, and from then on is only asked for. */
export interface Operation {
  /** The provider's name for it. */
  id: string
  /** The name of the key that it belongs to. */
  key: string | null
  /** How often somebody has asked, and how often in a row that failed. */
  polls: number
  failures: number
  /** As the provider tells. */
  percent?: number
}

/**
 * What a run has been through that was given back to the waiting: whoever carries it next goes on where the last one
 * stopped.
 */
export interface Progress {
  attempts: Attempt[]
  /** Why the first target was of no use. */
  error?: ErrorRecord
  /** Targets that are not tried any more, as `provider/model`. */
  left: string[]
  /** The models to ask instead; absent as long as the requested one is not given up. */
  fallbacks?: string[]
  /** Until when targets have no capacity, by `provider/model`; by the clocks of workers. */
  limitedUntilMs: Record<string, number>
  /** Since when it has been waiting for capacity; absent when it has not. */
  waitsSinceMs?: number
  /** When its first worker began. */
  startedAtMs: number
  operation?: Operation
}

/** How a run was opened: told with its first frames. */
export interface RunOpening {
  provider: string
  target: string
  /** The model that answers in place of the requested one. */
  fallback?: string
  attempts: number
  queueMs: number
  firstFrameMs: number
}

/** How a run ended: told with its last entry, and kept. */
export interface RunEnd {
  outcome: Outcome
  error?: ErrorRecord
  finish?: FinishReason
  usage?: Usage
  /** Of all attempts together. Absent if nothing can have been paid for the run. */
  cost?: Cost
  /** The content type of an answer that is not JSON; the answer is then kept as base64. */
  answerType?: string
  /** The model that answered in place of the requested one. */
  fallback?: string
  attempts: Attempt[]
  /** How many frames the log holds. */
  frames: number
  startedAtMs: number | null
  firstFrameAtMs: number | null
  endedAtMs: number
}

/** A run as it can be asked for. */
export interface Run {
  spec: RunSpec
  state: RunState
  /** Times at which a worker began; `null` while it waits. */
  claimedAtMs: number | null
  cancelRequested: boolean
  /** Of a run that has not ended, and was given back to the waiting. */
  progress?: Progress
  end: RunEnd | null
}

/** Whether a run failed with nothing said, so that its client can still be told by a status. */
export function failedUnheard(end: RunEnd): boolean {
  return end.outcome === 'failed' && end.firstFrameAtMs === null
}

/** Whether nothing about the run changes any more, apart from where it is kept. */
export function isEnded(run: Run): run is Run & { end: RunEnd } {
  return run.end !== null
}

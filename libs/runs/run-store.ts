import type { RunId } from '#libs/core'
import type { LogEntry } from '#libs/streams'
import type { Progress, Run, RunEnd, RunSpec, RunState } from './run.ts'

/** A request that is about to become a run. */
export interface Acceptance {
  spec: RunSpec
  /** The request's body as the client sent it, in base64 where the spec has a `bodyType`. */
  body: string
  /** The channel on which the accepting process listens; empty when nobody waits. */
  homeChannel: string
  /** How many runs may wait for the provider. */
  bufferSize: number
  /** While fewer wait, interactive runs go as they come, which costs least. Default 0. */
  fewWaiting?: number
  /** What the tenant may have of the queue. Default: as everybody, and all of it. */
  share?: TenantShare
  idempotency?: { keyDigest: string; bodyDigest: string }
}

/** A tenant's part of one provider's queue. */
export interface TenantShare {
  /** How often it is served for each time that a tenant of weight 1 is; a whole number from 1. */
  weight: number
  /** Runs that may wait for their turn. */
  maxWaiting?: number | undefined
  /** There is no other tenant, and so nothing to be fair about. */
  isAlone?: boolean
}

/** Only after `accepted` was anything written. */
export type AcceptResult =
  /** `priority` is that of its job; `isParked` says that it need not be looked at before another run has ended. */
  | { status: 'accepted'; priority: number; isParked: boolean }
  /** `tenant_queue_full`: the tenant's own part is, by which `waiting` counts then. */
  | { status: 'queue_full' | 'tenant_queue_full'; waiting: number }
  /** The idempotency key stands for this run. */
  | { status: 'attached'; rid: RunId }
  /** The idempotency key stands for another body. */
  | { status: 'key_reused' }

/** What the worker that asks is to do: carry the run, end it for a holder that died, or wait or leave it. */
export type ClaimResult =
  | {
      status: 'run'
      epoch: number
      spec: RunSpec
      body: string
      homeChannel: string
      /** By the clock of Redis, as the deadline is. */
      claimedAtMs: number
      deadlineAtMs?: number
      /** Where the last worker stopped, if there was one. */
      progress?: Progress
    }
  | {
      status: 'salvage'
      epoch: number
      spec: RunSpec
      homeChannel: string
      state: RunState
      progress?: Progress
    }
  /** The run is another provider's now, and waits for a worker of that one. */
  | { status: 'moved'; provider: string }
  /**
   * `parked`: its tenant has as many running as it may; `unparked` will tell when to ask again. `unreadable`: it is
   * claimed, but its record is not one that this release knows.
   */
  | { status: 'held' | 'parked' | 'ended' | 'unknown' | 'unreadable' }

/** How a claimed run goes back to the waiting. */
export interface Requeueing {
  rid: RunId
  epoch: number
  /** With the provider and the target that it goes to. */
  spec: RunSpec
  progress: Progress
  /** How long nobody need come for it. */
  delayMs: number
  /** As when it was accepted. */
  share?: TenantShare
}

/** What the last step of a run writes, all or nothing. */
export interface Ending {
  spec: RunSpec
  epoch: number
  homeChannel: string
  end: RunEnd
  /** The last frames, which were not appended before. */
  entry: LogEntry
  /** The run answers in one piece, and the entry is all of it. */
  isWhole?: boolean
}

/** All that the archive keeps of a run. */
export interface FinishedRun {
  run: Run & { end: RunEnd }
  body: string
  /** A stream's frames, a line each; or the whole answer, in base64 where the end has an `answerType`. */
  log: string
}

/** What became of runs that were found in the outbox. */
export interface Recovered {
  runs: FinishedRun[]
  /** Not to be archived: deleted, or lost by Redis, which then does not know the tenant either. */
  unwanted: { rid: RunId; tenant: string | undefined }[]
}

/** A page of a tenant's runs, newest or oldest first. */
export interface RunQuery {
  stored: boolean
  after?: RunId
  limit: number
  order: 'asc' | 'desc'
  /** The first moment at which a run may have been created, and the first at which it may not any more. */
  createdFromMs?: number | undefined
  createdBeforeMs?: number | undefined
}

/** The records of the runs that Redis holds. Every method's write is atomic and harmless when sent twice. */
export interface RunStore extends RunQueries, RunOrder {
  accept(acceptance: Acceptance): Promise<AcceptResult>
  /**
   * Takes the run for the calling worker; see {@link RunState} for what each answer means. The same `token` gets
   * the same answer, should the first one be lost.
   */
  claim(rid: RunId, provider: string, token: string): Promise<ClaimResult>
  /** Writes a claimed run down again that Redis has lost; `there` if it has not. */
  restore(claim: Extract<ClaimResult, { status: 'run' }>): Promise<'restored' | 'there'>
  /**
   * Gives a claimed run back to the waiting, only before its first frame. After `cancel` it is still the caller's, who
   * ends it. A job for it is the caller's to add.
   */
  requeue(requeueing: Requeueing): Promise<'requeued' | 'cancel' | 'fenced' | 'missing'>
  /** Puts a salvaged run back among the waiting, once in its life and only before its first frame. */
  retry(claim: Extract<ClaimResult, { status: 'salvage' }>): Promise<'retried' | 'spent'>
  /** `fenced` when a later claim has taken the run over, `gap` and `missing` as with an append. */
  end(ending: Ending): Promise<'ended' | 'fenced' | 'gap' | 'missing'>
  /** `end` and `frames` are what a run gets that no worker has claimed yet. */
  cancel(
    spec: RunSpec,
    end: RunEnd,
    frames: readonly string[],
  ): Promise<'unknown' | 'ended' | 'cancelled' | 'requested'>
  /** Gives a run other metadata, wherever it is kept; the caller has found it to be this tenant's. */
  setMetadata(rid: RunId, tenant: string, metadata: Record<string, string>): Promise<void>
  /** After `marked`, the caller cancels the run if it has not ended; it is forgotten when settled. */
  delete(rid: RunId, tenant: string): Promise<'unknown' | 'forgotten' | 'marked'>
  /**
   * Says that the calling worker lives, and holds these runs. Gives those that shall be cancelled, and those that
   * Redis has lost.
   */
  beat(rids: readonly RunId[]): Promise<{ cancelled: RunId[]; missing: RunId[] }>
  /** The archive holds these. Gives those that were deleted meanwhile: the caller erases and forgets them. */
  settle(rids: readonly RunId[]): Promise<RunId[]>
  /**
   * Puts a run among the dead letters, for an operator to look at; nobody tries to carry it any more. Its end, if it
   * can have one, is the caller's to write.
   */
  bury(rid: RunId): Promise<void>
  /** Takes a run out of the dead letters; false if it was not among them. */
  unearth(rid: RunId): Promise<boolean>
  /** Stops watching the deadline of a run that has ended. */
  unwatch(rid: RunId): Promise<void>
  /** Takes a run out of Redis and out of the outbox; before, the archive must hold nothing of it. */
  forget(rid: RunId): Promise<void>
}

/** In which order the waiting runs of a provider have their turn. */
export interface RunOrder {
  /** The priority for the job of a waiting run. */
  priority(spec: RunSpec): Promise<number>
  /** Parked runs of the tenant whose jobs should be done now. They stay parked until they are claimed. */
  unparked(
    provider: string,
    tenant: string,
    options: { maxRunning?: number; limit: number },
  ): Promise<RunId[]>
  /** Who has parked runs. */
  parkedTenants(provider: string): Promise<string[]>
  /**
   * Chooses among these runs, the first ones first, those that have waited for so long, and so many that all who were
   * ever chosen hold at most `places` at a time. Their jobs are to get priority 0.
   */
  promote(
    provider: string,
    rids: readonly RunId[],
    options: { waitedMs: number; places: number },
  ): Promise<RunId[]>
  /** How many runs of each of these tenants wait for their turn. */
  census(provider: string, tenants: readonly string[]): Promise<number[]>
}

/** How many wait, and for how long. */
export interface Backlog {
  count: number
  /** 0 when there is none. */
  oldestAgeMs: number
}

/** What can be read of the runs, without changing them. */
export interface RunQueries {
  /**
   * `undefined` unless the run is here and is this tenant's. `deleted` is one whose text is still to be erased: it
   * is not to be looked for elsewhere.
   */
  get(rid: RunId, tenant: string): Promise<Run | 'deleted' | undefined>
  /** The request as it was accepted; `undefined` once the archive has it. Not asked by whom. */
  body(rid: RunId): Promise<string | undefined>
  /** What `setMetadata` was told last; `undefined` if that was never done. */
  metadata(rid: RunId, tenant: string): Promise<Record<string, string> | undefined>
  /** For the inside alone: whoever's the run is, and even if it was deleted. */
  inspect(rid: RunId): Promise<Run | undefined>
  /** Ids alone, since Redis remembers the order of runs for longer than the runs. */
  list(tenant: string, query: RunQuery): Promise<{ rids: RunId[]; hasMore: boolean }>
  /** Ended runs that have waited for the archive for so long, oldest first. */
  unarchived(olderThanMs: number, limit: number): Promise<RunId[]>
  /** Claimed runs whose worker has been silent for so long. */
  abandoned(olderThanMs: number, limit: number): Promise<RunId[]>
  /** Runs that wait for a worker, and whose deadline has passed. */
  overdue(limit: number): Promise<RunId[]>
  /** Runs that have waited for a worker for so long. */
  waitingLong(provider: string, olderThanMs: number, limit: number): Promise<RunId[]>
  /** Dead letters, newest first. */
  dead(limit: number): Promise<RunId[]>
  waiting(provider: string): Promise<Backlog>
  /** How many runs of the provider have waited longer; `undefined` if this one waits no more. */
  position(rid: RunId, provider: string): Promise<number | undefined>
  /** Ended runs that the archive does not hold yet. */
  outbox(): Promise<Backlog>
  /** Reads whole finished runs back, for the archive. */
  finished(rids: readonly RunId[]): Promise<Recovered>
}

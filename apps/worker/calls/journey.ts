import type { GatewayError } from '#libs/core'
import type { Dialect, FrameContext } from '#libs/dialects'
import type { PriceList } from '#libs/prices'
import { targetName, type Health } from '#libs/routing'
import type { Attempt, ClaimResult, Progress } from '#libs/runs'
import type { RunWriter } from '../append-pump.ts'
import type { WorkerProvider } from './worker-provider.ts'
import type { CacheMemory } from './cache-memory.ts'
import type { HeldRun } from '../held-runs.ts'
import type { Routes } from './routes.ts'

/** The right to carry a run, as its claim gave it. */
export type Claim = Extract<ClaimResult, { status: 'run' }>

/** A run on its way through this worker. */
export interface Journey {
  /** Its spec tells the target that is called now. */
  claim: Claim
  dialect: Dialect
  provider: WorkerProvider
  health: Health
  held: HeldRun
  writer: RunWriter
  routes: Routes
  prices: PriceList
  caches: CacheMemory
  /** What other workers tried before, and this one since. */
  progress: Progress
  /** Names of keys that the provider has refused this run. */
  spentKeys: Set<string>
  /** Until when targets do not want to be called, since they are ill, by {@link targetName}. */
  illUntilMs: Map<string, number>
  /** The time after which it waits no more, by this process's clock; without a deadline it depends on the wait. */
  deadlineAtMs: number | undefined
  /** How long it has waited for capacity in this worker's hands. */
  waitedMs: number
  /** What the last call of this worker brought, if it failed. */
  lastError: GatewayError | undefined
  firstFrameAtMs: number | null
  /** Stops watching the deadline. */
  close(): void
}

/** Opens it where the last worker stopped; what the run has of time begins to run out. */
export function openJourney(
  given: Pick<
    Journey,
    'claim' | 'dialect' | 'provider' | 'health' | 'held' | 'writer' | 'routes' | 'prices' | 'caches'
  >,
): Journey {
  const { claim, held } = given
  const { claimedAtMs, deadlineAtMs, progress } = claim
  // Both are by the clock of Redis, which need not be that of this machine.
  const leftMs = deadlineAtMs === undefined ? undefined : Math.max(0, deadlineAtMs - claimedAtMs)
  if (leftMs === 0) held.stop('deadline')
  const timer = leftMs === undefined ? undefined : setTimeout(() => held.stop('deadline'), leftMs)
  return {
    ...given,
    progress: progress ?? { attempts: [], left: [], limitedUntilMs: {}, startedAtMs: claimedAtMs },
    spentKeys: new Set(),
    illUntilMs: new Map(),
    deadlineAtMs: leftMs === undefined ? undefined : Date.now() + leftMs,
    waitedMs: 0,
    lastError: undefined,
    firstFrameAtMs: null,
    close: () => clearTimeout(timer),
  }
}

/** What every frame of the run tells. */
export function toFrameContext({ spec, body }: Claim): FrameContext {
  return {
    rid: spec.rid,
    model: spec.model,
    createdAt: Math.floor(spec.createdAtMs / 1000),
    includeUsage: spec.includeUsage,
    request: body,
  }
}

/** The name of the target that is called now. */
export function currentTarget({ claim: { spec } }: Pick<Journey, 'claim'>): string {
  return targetName({ provider: spec.provider, model: spec.target })
}

/** The calls that were made to this target, of whatever worker. */
export function callsTo(target: string, { attempts }: Progress): Attempt[] {
  return attempts.filter((attempt) => targetName(attempt) === target)
}

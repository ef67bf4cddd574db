import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { leaseMs, type Batch, type BatchSpec, type BatchState } from '#libs/batches'

/** Thrown where a batch is carried no further by this process: somebody else goes on with it. */
export class LeftBatch extends Error {
  constructor() {
    super('This process carries the batch no further.')
    this.name = 'LeftBatch'
  }
}

/** A batch while this process holds it. */
export interface HeldBatch {
  readonly spec: BatchSpec
  /** How far it is, as far as this process knows. */
  state: BatchState
  /** Names this hold among all that there ever were. */
  readonly holder: string
  /** Aborted when what has not begun is not to begin, and what runs is to stop; its reason is why. */
  readonly ending: AbortSignal
  end(reason: 'cancelled' | 'expired'): void
  /** Aborted when somebody else is to go on. */
  readonly leaving: AbortSignal
  leave(): void
  /** The lease is good for another while. */
  renew(): void
  /** Throws `LeftBatch` unless the lease is sure to hold. Called right before what only its holder may do. */
  check(): void
  /** Waits, but not beyond the batch's ending. Throws `LeftBatch`. */
  pause(ms: number): Promise<void>
  /** Waits, also while the batch ends. Throws `LeftBatch`. */
  waitOut(ms: number): Promise<void>
}

/** Within this time before its end, a lease may be lost while something that it allows is under way. */
const marginMs = 3_000

/** Begins when the lease was got. */
export function createHeldBatch({ spec, state }: Batch, holder: string): HeldBatch {
  const ending = new AbortController()
  const leaving = new AbortController()
  const either = AbortSignal.any([ending.signal, leaving.signal])
  // Every line in flight listens.
  for (const signal of [ending.signal, leaving.signal, either]) setMaxListeners(0, signal)
  let renewedAtMs = performance.now()
  const wait = async (ms: number, signal: AbortSignal): Promise<void> => {
    await sleep(ms, undefined, { signal }).catch(() => undefined)
    if (leaving.signal.aborted) throw new LeftBatch()
  }
  return {
    spec,
    state,
    holder,
    ending: ending.signal,
    end: (reason) => ending.abort(reason),
    leaving: leaving.signal,
    leave: () => leaving.abort(),
    renew: () => (renewedAtMs = performance.now()),
    check() {
      if (performance.now() - renewedAtMs > leaseMs - marginMs) leaving.abort()
      if (leaving.signal.aborted) throw new LeftBatch()
    },
    pause: (ms) => wait(ms, either),
    waitOut: (ms) => wait(ms, leaving.signal),
  }
}

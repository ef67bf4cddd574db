import { GatewayError, type RunId } from '#libs/core'
import type { RunStore } from '#libs/runs'

/** Why a run's call was stopped from outside. */
export type StopReason = 'cancelled' | 'fenced' | 'drained' | 'deadline'

export interface HeldRun {
  readonly rid: RunId
  readonly signal: AbortSignal
  /** Set once, by the first stop. */
  readonly stopped: StopReason | undefined
  stop(reason: StopReason): void
  /** Called when Redis turns out to have lost the run. */
  onMissing: () => void
  release(): void
}

/**
 * The runs that this worker carries at the moment. It says for itself and all of them that their worker lives, and
 * hears then which of them were cancelled by a message that it missed, and which Redis has lost.
 */
export interface HeldRuns {
  hold(rid: RunId): HeldRun
  stop(rid: RunId, reason: StopReason): void
  stopAll(reason: StopReason): void
  /** Set when the worker was told to stop. */
  isDraining: boolean
  readonly count: number
  /** When Redis last took a sign of life, as `performance.now()` tells time. */
  readonly beatAtMs: number
  close(): void
}

const beatIntervalMs = 3_000

export function createHeldRuns(store: RunStore, onError: (error: unknown) => void): HeldRuns {
  const held = new Map<RunId, HeldRun>()
  let isBeating = false
  let beatAtMs = performance.now()
  const beat = (): void => {
    if (isBeating) return
    isBeating = true
    store
      .beat([...held.keys()])
      .then(({ cancelled, missing }) => {
        beatAtMs = performance.now()
        for (const rid of cancelled) held.get(rid)?.stop('cancelled')
        for (const rid of missing) held.get(rid)?.onMissing()
      })
      .catch(onError)
      .finally(() => (isBeating = false))
  }
  beat()
  const timer = setInterval(beat, beatIntervalMs)
  return {
    hold(rid) {
      const controller = new AbortController()
      let stopped: StopReason | undefined
      const run: HeldRun = {
        rid,
        signal: controller.signal,
        get stopped() {
          return stopped
        },
        stop(reason) {
          if (stopped !== undefined) return
          stopped = reason
          controller.abort(new GatewayError('cancelled', `The call was stopped: ${reason}.`))
        },
        onMissing: () => undefined,
        release: () => {
          if (held.get(rid) === run) held.delete(rid)
        },
      }
      held.set(rid, run)
      return run
    },
    stop: (rid, reason) => held.get(rid)?.stop(reason),
    isDraining: false,
    stopAll: (reason) => {
      for (const run of held.values()) run.stop(reason)
    },
    get beatAtMs() {
      return beatAtMs
    },
    get count() {
      return held.size
    },
    close: () => clearInterval(timer),
  }
}

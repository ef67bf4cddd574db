export interface ProviderTimeouts {
  /** To a connection that is ready, TLS included; also the wait for a free one where their number is bounded. */
  connectMs: number
  /** From the request sent to the head of the answer. */
  firstByteMs: number
  /** Between two reads of the answer. */
  idleMs: number
  /** From the start to the last byte of the answer. */
  totalMs: number
}

/** An exchange goes through these once, in this order. */
export type Phase = 'connect' | 'firstByte' | 'idle'

export interface Clock {
  readonly phase: Phase
  enter(phase: Phase): void
  /** Notes that bytes came. */
  touch(): void
  stop(): void
}

// Node fires a timer that is set for longer than this at once.
const maxTimerMs = 2 ** 31 - 1

/**
 * Watches all timeouts of one exchange with one timer: it is armed for the nearest deadline and looks at the time
 * when it fires, so that a network read costs a look at the clock and no timer.
 */
export function startClock(timeouts: ProviderTimeouts, onTimeout: (phase: Phase | 'total') => void): Clock {
  const startedAt = performance.now()
  let phase: Phase = 'connect'
  let phaseAt = startedAt
  let timer = arm(startedAt)

  function arm(now: number): NodeJS.Timeout {
    const phaseLeftMs = phaseAt + timeouts[`${phase}Ms`] - now
    const totalLeftMs = startedAt + timeouts.totalMs - now
    return setTimeout(check, Math.min(Math.ceil(Math.min(phaseLeftMs, totalLeftMs)), maxTimerMs))
  }

  function check(): void {
    const now = performance.now()
    if (now >= startedAt + timeouts.totalMs) onTimeout('total')
    else if (now >= phaseAt + timeouts[`${phase}Ms`]) onTimeout(phase)
    else timer = arm(now)
  }

  return {
    get phase() {
      return phase
    },
    enter(next) {
      clearTimeout(timer)
      phase = next
      phaseAt = performance.now()
      timer = arm(phaseAt)
    },
    touch() {
      phaseAt = performance.now()
    },
    stop: () => clearTimeout(timer),
  }
}

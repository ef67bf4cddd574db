/** What one API key may use in any 60 seconds, counted back from each call. */
export interface KeyLimits {
  requestsPerMinute?: number
  tokensPerMinute?: number
}

/** What the journal tells of one API key. */
export interface KeyTotals {
  /** Calls that were let in. */
  calls: number
  /** Calls that were over a limit of the key. */
  refused: number
  inFlight: number
  maxInFlight: number
  /** The most that were let in within any 60 seconds. */
  maxRequestsPerMinute: number
  maxTokensPerMinute: number
}

/** `headers` say what is left, as OpenAI does; `retryAfterMs` is there if the call is over a limit. */
export interface Admission {
  headers: Readonly<Record<string, string>>
  retryAfterMs?: number
}

/** Counts calls by API key, and keeps to the limits. */
export interface KeyCounts {
  /** Counts a call, unless it is over a limit. */
  admit(key: string, tokens: number): Admission
  /** Gives what to call when the call ends. */
  begin(key: string): () => void
  /** By the last four characters of the key. */
  snapshot(): Record<string, KeyTotals>
  /** Forgets all but what is in flight, the last minute included. */
  reset(): void
}

interface Minute {
  /** Oldest first; what is before `from` is over. */
  calls: { atMs: number; tokens: number }[]
  from: number
  tokens: number
}

interface KeyState {
  totals: KeyTotals
  minute: Minute
}

const minuteMs = 60_000
/** Beyond these, new keys are counted as one: memory stays bounded under load. */
const maxKeys = 1_000

export function createKeyCounts(limits: KeyLimits = {}): KeyCounts {
  const states = new Map<string, KeyState>()

  function find(key: string): KeyState {
    const name = states.has(key) || states.size < maxKeys ? key : 'others'
    const state = states.get(name) ?? { totals: emptyTotals(0), minute: emptyMinute() }
    states.set(name, state)
    return state
  }

  return {
    admit(key, tokens) {
      const nowMs = Date.now()
      const { totals, minute } = find(key)
      forget(minute, nowMs - minuteMs)
      const waitMs = waitFor(minute, { limits, tokens, nowMs })
      if (waitMs > 0) {
        totals.refused += 1
        return { headers: tellLeft(minute, limits, nowMs), retryAfterMs: Math.ceil(waitMs) }
      }
      minute.calls.push({ atMs: nowMs, tokens })
      minute.tokens += tokens
      totals.calls += 1
      totals.maxRequestsPerMinute = Math.max(totals.maxRequestsPerMinute, minute.calls.length - minute.from)
      totals.maxTokensPerMinute = Math.max(totals.maxTokensPerMinute, minute.tokens)
      return { headers: tellLeft(minute, limits, nowMs) }
    },
    begin(key) {
      const state = find(key)
      state.totals.inFlight += 1
      state.totals.maxInFlight = Math.max(state.totals.maxInFlight, state.totals.inFlight)
      return () => (state.totals.inFlight -= 1)
    },
    snapshot: () =>
      Object.fromEntries([...states].map(([key, { totals }]) => [key.slice(-4), { ...totals }])),
    reset() {
      for (const [key, state] of states) {
        state.minute = emptyMinute()
        state.totals = emptyTotals(state.totals.inFlight)
        if (state.totals.inFlight === 0) states.delete(key)
      }
    },
  }
}

function emptyTotals(inFlight: number): KeyTotals {
  const most = { maxInFlight: inFlight, maxRequestsPerMinute: 0, maxTokensPerMinute: 0 }
  return { calls: 0, refused: 0, inFlight, ...most }
}

function emptyMinute(): Minute {
  return { calls: [], from: 0, tokens: 0 }
}

/** A call of exactly a minute ago still counts: whoever is counted by a strict provider must not be over. */
function forget(minute: Minute, untilMs: number): void {
  for (let call = minute.calls[minute.from]; call !== undefined && call.atMs < untilMs;) {
    minute.tokens -= call.tokens
    minute.from += 1
    call = minute.calls[minute.from]
  }
  if (minute.from > 1_000) {
    minute.calls = minute.calls.slice(minute.from)
    minute.from = 0
  }
}

/** How long until the calls of the last minute leave room for this one. */
function waitFor(
  { calls, from, tokens: used }: Minute,
  { limits, tokens, nowMs }: { limits: KeyLimits; tokens: number; nowMs: number },
): number {
  const { requestsPerMinute = Infinity, tokensPerMinute = Infinity } = limits
  let left = used
  let waitMs = 0
  for (let at = from; calls.length - at >= requestsPerMinute || left + tokens > tokensPerMinute; at++) {
    const call = calls[at]
    // Larger than the whole limit: there is never room.
    if (call === undefined) return minuteMs
    left -= call.tokens
    waitMs = call.atMs + minuteMs - nowMs + 1
  }
  return waitMs
}

function tellLeft(minute: Minute, limits: KeyLimits, nowMs: number): Record<string, string> {
  const { requestsPerMinute, tokensPerMinute } = limits
  const oldest = minute.calls[minute.from]?.atMs
  const reset = `${oldest === undefined ? 0 : Math.ceil(oldest + minuteMs - nowMs + 1)}ms`
  const requests = minute.calls.length - minute.from
  return {
    ...(requestsPerMinute !== undefined && tell('requests', requestsPerMinute, requests, reset)),
    ...(tokensPerMinute !== undefined && tell('tokens', tokensPerMinute, minute.tokens, reset)),
  }
}

function tell(kind: string, limit: number, used: number, reset: string): Record<string, string> {
  return {
    [`x-ratelimit-limit-${kind}`]: String(limit),
    [`x-ratelimit-remaining-${kind}`]: String(Math.max(0, limit - used)),
    [`x-ratelimit-reset-${kind}`]: reset,
  }
}

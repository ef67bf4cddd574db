import type { ErrorCode, GatewayError } from '#libs/core'

/** One of the keys that the configuration gives a provider. */
export interface ProviderKey {
  /** Tells one key from another in logs and metrics, where its value never is. */
  name: string
  value: string
  /** Share of the calls, relative to the other keys'; 1 if it is left out. */
  weight?: number
}

/** A call that needs a key. */
export interface KeyCall {
  rid: string
  /** Of the calls that wait for the same key, those of an earlier lane come first. */
  lane: 'interactive' | 'standard' | 'batch'
  /** The provider's name for the model. */
  target: string
  /** How many the call will probably use, input and output together. */
  readonly tokens: number
  /** The names of keys that are not to be used. */
  exclude?: ReadonlySet<string>
  /** The name of the key that is better than the others, if it is free. */
  prefer?: string
}

/** How a call ended. */
export interface CallOutcome {
  error?: GatewayError
  /** What it used, once that is known. */
  tokens?: number
  /** Of the provider's answer. */
  headers?: Readonly<Record<string, string>>
}

/** A hold on one key while a call runs. */
export interface Lease {
  status: 'leased'
  name: string
  value: string
  /** Tells how the call ended: later leases depend on it. */
  release(outcome: CallOutcome): void
}

/**
 * `wait`: there are keys, but each must rest; the call's turn comes at `untilMs`, as `Date.now()` tells time. `none`:
 * there is no key left to wait for, since the rest was excluded or refused by the provider.
 */
export type LeaseResult = Lease | { status: 'wait'; untilMs: number } | { status: 'none' }

/**
 * Chooses among keys, and rests those that the provider limits or refuses. It knows this process's calls alone.
 */
export interface KeyPool {
  /** How many keys there are. */
  readonly size: number
  /** Chooses at random by weight. */
  lease(call: KeyCall): Promise<LeaseResult>
}

/** Chance and time, replaced where they must repeat themselves. */
export interface KeyPoolOptions {
  /** In [0, 1). */
  random?: () => number
  now?: () => number
}

/** Where the provider does not say how long. A spent quota is not back in seconds. */
const restMsByCode: Partial<Record<ErrorCode, number>> = {
  rate_limit_exceeded: 5_000,
  insufficient_quota: 5 * 60_000,
}
/** A refused key is tried again after this, since vendors have refused good keys for a while. */
const refusedMs = 60_000

interface KeyState {
  key: ProviderKey
  weight: number
  coolUntilMs: number
  refusedUntilMs: number
}

/** The keys of one provider in this process. Throws if a key can't be used, naming the key and never its value. */
export function createKeyPool(keys: readonly ProviderKey[], options: KeyPoolOptions = {}): KeyPool {
  const { random = Math.random, now = Date.now } = options
  checkKeys(keys)
  const states = keys.map((key): KeyState => ({
    key,
    weight: key.weight ?? 1,
    coolUntilMs: 0,
    refusedUntilMs: 0,
  }))

  function toLease(state: KeyState): Lease {
    const { name, value } = state.key
    return {
      status: 'leased',
      name,
      value,
      release: ({ error }) => rest(state, error, now()),
    }
  }

  function choose({ exclude }: KeyCall): LeaseResult {
    const nowMs = now()
    const usable = states.filter(
      ({ key, refusedUntilMs }) => refusedUntilMs <= nowMs && !exclude?.has(key.name),
    )
    if (usable.length === 0) return { status: 'none' }
    const ready = usable.filter(({ coolUntilMs }) => coolUntilMs <= nowMs)
    const chosen = pick(ready, random())
    if (chosen) return toLease(chosen)
    return { status: 'wait', untilMs: Math.min(...usable.map(({ coolUntilMs }) => coolUntilMs)) }
  }

  return { size: keys.length, lease: (call) => Promise.resolve(choose(call)) }
}

function rest(state: KeyState, error: GatewayError | undefined, nowMs: number): void {
  if (!error) return
  if (error.code === 'upstream_auth_failed') state.refusedUntilMs = nowMs + refusedMs
  const restMs = restMsByCode[error.code]
  if (restMs === undefined) return
  // Calls that run at once end in any order, and the longest rest that was asked for counts.
  state.coolUntilMs = Math.max(state.coolUntilMs, nowMs + (error.retryAfterMs ?? restMs))
}

/** `point` in [0, 1) of the line on which each state has its weight as its length. */
function pick(states: readonly KeyState[], point: number): KeyState | undefined {
  let left = point * states.reduce((sum, { weight }) => sum + weight, 0)
  for (const state of states) {
    left -= state.weight
    if (left < 0) return state
  }
  // Sums of fractions may leave a hair at the end of the line.
  return states.at(-1)
}

function checkKeys(keys: readonly ProviderKey[]): void {
  const names = new Set<string>()
  for (const { name, value, weight = 1 } of keys) {
    if (names.has(name)) throw new TypeError(`Two keys are named ${name}: each needs a name of its own.`)
    names.add(name)
    if (!/^[\x21-\x7e]+$/.test(value)) {
      throw new TypeError(
        `Key ${name} is empty, or holds a blank, a line break or a character outside ASCII. Is there one at its end?`,
      )
    }
    if (!(weight > 0 && Number.isFinite(weight))) {
      throw new TypeError(`The weight of key ${name} is ${weight}, and must be a number above 0.`)
    }
  }
}

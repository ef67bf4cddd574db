import type { KeyHealth } from './key-health.ts'
import type { CallOutcome, KeyCall, KeyPoolOptions, KeyState, Lease, LeaseResult } from './key-pool.ts'
import type { Place } from './limiter.ts'

interface TakerOptions extends KeyPoolOptions {
  now: () => number
  health: KeyHealth
}

/** Where a call waits, how many keys those have who wait there, and whether it tries a key that was refused. */
interface Manner {
  line: string
  of: number
  isProbe: boolean
}

/** Leases the first of several keys that is free; `undefined` stands for none where none is needed. */
export type Taker = (
  call: KeyCall,
  order: readonly (KeyState | undefined)[],
  manner: Manner,
) => Promise<Exclude<LeaseResult, { status: 'none' }>>

/** One of so many has a place unless nearly all are full; only then is it worth asking for all. */
const fewKeys = 10

/** Asks Redis only where the first key or the call itself is limited. */
export function createTaker(options: TakerOptions): Taker {
  const { now, limiter, sharedMeters = () => [], onError = () => undefined } = options

  function toLease(
    state: KeyState | undefined,
    isProbe: boolean,
    end: (outcome: CallOutcome) => void = () => undefined,
  ): Lease {
    let isReleased = false
    return {
      status: 'leased',
      name: state?.key.name ?? null,
      value: state?.key.value,
      release(outcome) {
        if (isReleased) return
        isReleased = true
        if (state !== undefined && outcome.isUnused !== true)
          options.health.learn(state.key.name, outcome, isProbe)
        end(outcome)
      },
    }
  }

  return async (call, order, { line, of, isProbe }) => {
    const shared = sharedMeters(call.target)
    if (limiter === undefined || (shared.length === 0 && order[0]?.meter === undefined)) {
      return toLease(order[0], isProbe)
    }
    const id = `${call.rid} ${nextTag()}`
    const meters = [...shared, ...order.flatMap((state) => state?.meter ?? [])]
    const waiting = {
      name: [line, ...shared.map(({ name }) => name)].join(' '),
      urgency: call.lane,
      choices: of,
    }
    const tokens = meters.some(({ limits }) => limits.tokensPerMinute !== undefined) ? call.tokens : 0
    const ask = (choices: typeof order): Promise<Place> => {
      const meterOf = choices.map((state) => state?.meter)
      return limiter.take({ id, rid: call.rid, tokens, shared, choices: meterOf, line: waiting })
    }
    let place = await ask(order.slice(0, fewKeys))
    if (place.status === 'wait' && order.length > fewKeys) place = await ask(order)
    if (place.status === 'wait') {
      return {
        status: 'wait',
        untilMs: now() + place.waitMs,
        leave: () => void limiter.leave(waiting, call.rid).catch(onError),
      }
    }
    const state = order[place.choice]
    const taken = [...shared, ...(state?.meter === undefined ? [] : [state.meter])]
    const isCorrected = taken.some(({ limits }) => limits.tokensPerMinute ?? limits.parallel)
    return toLease(state, isProbe, (outcome) => {
      const { error } = outcome
      const isUnused = outcome.isUnused === true || error?.code === 'upstream_unreachable'
      if (isCorrected || isUnused) limiter.release(id, { tokens: outcome.tokens, isUnused }).catch(onError)
    })
  }
}

let taken = 0
const processTag = Math.random().toString(36).slice(2, 10)

/** Sets the leases of one run apart, whichever process takes them. */
function nextTag(): string {
  taken += 1
  return `${processTag}${taken}`
}

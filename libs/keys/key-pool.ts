import {
  createNameFilter,
  type GatewayError,
  type KeyHeadroom,
  type NameFilter,
  type NameLists,
} from '#libs/core'
import { createKeyHealth, type KeyHealth } from './key-health.ts'
import { createKeyRests, type KeyRests } from './key-rests.ts'
import { toMeter, type Limiter, type Limits, type Meter, type Urgency } from './limiter.ts'
import { createTaker } from './take-place.ts'

/** One of the keys that the configuration gives a provider. */
export interface ProviderKey {
  /** Tells one key from another in logs and metrics, where its value never is. */
  name: string
  value: string
  /** Share of the calls, relative to the other keys'; 1 if it is left out, and 0 takes none. */
  weight?: number
  /** The provider's models that it is for; all if it is left out. */
  models?: NameLists | undefined
  limits?: Limits | undefined
}

/** A call that needs a key. */
export interface KeyCall {
  rid: string
  /** Of the calls that wait for the same key, those of an earlier lane come first. */
  lane: Urgency
  /** The provider's name for the model. */
  target: string
  /** How many the call will probably use, input and output together. It is read only where tokens are limited. */
  readonly tokens: number
  /** The names of keys that are not to be used. */
  exclude?: ReadonlySet<string>
  /** The name of the key that is better than the others, if it is free. */
  prefer?: string
}

/** How a call ended. */
export interface CallOutcome {
  /** Nothing was sent, and nothing shall count. */
  isUnused?: boolean
  error?: GatewayError
  /** What it used, once that is known. */
  tokens?: number | undefined
  /** Of the provider's answer. */
  headers?: Readonly<Record<string, string>> | undefined
}

/** A hold on one key while a call runs, and on its places under every limit. */
export interface Lease {
  status: 'leased'
  /** Null where the provider has no keys and needs none. */
  name: string | null
  value: string | undefined
  /** Tells how the call ended, once: later leases depend on it. */
  release(outcome: CallOutcome): void
}

/**
 * `wait`: there are keys, but each must rest or is at its limit; the call's turn comes at `untilMs`, as `Date.now()`
 * tells time. `none`: there is no key left to wait for, since the rest was excluded, is not for this model, or was
 * refused by the provider.
 */
export type LeaseResult = Lease | Wait | { status: 'none' }

/** No key is free now. */
export interface Wait {
  status: 'wait'
  untilMs: number
  /** The call does not wait for its turn: the place in the line goes to others. */
  leave(): void
}

/** What is known of a key, for people. */
export interface KeyView {
  name: string
  isRefused: boolean
  /** What the provider last said, unless it has been reset since. */
  headroom: KeyHeadroom
}

/**
 * Chooses among keys, rests those that the provider limits or refuses, and keeps to the limits of keys and targets.
 * Redis is asked only where there are limits.
 */
export interface KeyPool {
  /** How many keys there are. */
  readonly size: number
  /** Chooses at random by weight among those that are free. */
  lease(call: KeyCall): Promise<LeaseResult>
  look(): KeyView[]
}

/** What a pool shares with others; without it, it knows this process's calls alone and keeps to no limits. */
export interface KeyPoolOptions {
  /** Its name in the configuration. */
  provider?: string
  limiter?: Limiter
  rests?: KeyRests
  /** What is limited beside the keys: a target, or everything. */
  sharedMeters?: (target: string) => readonly Meter[]
  /** What an answer's headers say of the key that was used. */
  readHeadroom?: ((headers: Readonly<Record<string, string>>) => KeyHeadroom) | undefined
  /** A key that worked until now was refused. */
  onRefused?: (key: string) => void
  onError?: (error: unknown) => void
  /** Chance in [0, 1) and time, replaced where they must repeat themselves. */
  random?: () => number
  now?: () => number
}

/** A key as the pool knows it. */
export interface KeyState {
  key: ProviderKey
  weight: number
  serves: NameFilter
  meter: Meter | undefined
}

/** The keys of one provider in this process. Throws if a key can't be used, naming the key and never its value. */
export function createKeyPool(keys: readonly ProviderKey[], options: KeyPoolOptions = {}): KeyPool {
  const { provider = '', random = Math.random, now = Date.now } = options
  checkKeys(keys)
  const states = keys.map((key): KeyState => ({
    key,
    weight: key.weight ?? 1,
    serves: createNameFilter(key.models),
    meter: toMeter(`key:${provider}/${key.name}`, key.limits),
  }))
  const health = createKeyHealth({ ...options, provider, now, rests: options.rests ?? createKeyRests(now) })

  const take = createTaker({ ...options, provider, now, health })

  return {
    size: keys.length,
    async lease(call) {
      if (keys.length === 0) return take(call, [undefined], { line: provider, of: 1, isProbe: false })
      const serving = states.filter(({ weight, serves }) => weight > 0 && serves(call.target))
      const left = serving.filter(({ key }) => !call.exclude?.has(key.name))
      const { ready, isProbe, restUntilMs } = await findReady(left, call, health)
      const spreadMs = spread(call.lane, random())
      if (ready.length === 0) {
        if (restUntilMs === undefined) return { status: 'none' }
        return { status: 'wait', untilMs: restUntilMs + spreadMs, leave: () => undefined }
      }
      const isWhole = serving.length === states.length
      const line = isWhole ? provider : `${provider} ${serving.map(({ key }) => key.name).join(',')}`
      const result = await take(call, inOrder(ready, call.prefer, random), {
        line,
        of: serving.length,
        isProbe,
      })
      if (result.status === 'leased' || restUntilMs === undefined) return result
      return { ...result, untilMs: Math.min(result.untilMs, restUntilMs + spreadMs) }
    },
    look: () => keys.map(({ name }) => health.view(name)),
  }
}

/** The keys that may be used now; of those that rest, when the first is back. A refused key is tried by one call at a time. */
async function findReady(
  states: readonly KeyState[],
  call: KeyCall,
  health: KeyHealth,
): Promise<{ ready: KeyState[]; isProbe: boolean; restUntilMs: number | undefined }> {
  const ready: KeyState[] = []
  let restUntilMs: number | undefined
  for (const state of states) {
    const now = health.look(state.key.name, call)
    if (now.status === 'ready') ready.push(state)
    else if (now.status === 'rests') restUntilMs = Math.min(restUntilMs ?? Infinity, now.untilMs)
    else if (now.status === 'due' && (await health.probe(state.key.name))) {
      return { ready: [state], isProbe: true, restUntilMs }
    }
  }
  return { ready, isProbe: false, restUntilMs }
}

/** Who waits for the same moment comes back one after the other, earlier lanes first. */
function spread(lane: Urgency, chance: number): number {
  const lanesBefore = { interactive: 0, standard: 1, batch: 2 }[lane]
  return Math.ceil((lanesBefore + chance) * 200)
}

/** The preferred one, then those with the larger weight more often in front. */
function inOrder(
  states: readonly KeyState[],
  preferred: string | undefined,
  random: () => number,
): KeyState[] {
  const left = [...states]
  const order = states.map(() => left.splice(left.length === 1 ? 0 : pick(left, random()), 1)[0])
  return order
    .filter((state) => state !== undefined)
    .toSorted((one, other) => Number(other.key.name === preferred) - Number(one.key.name === preferred))
}

/** The place of the state at `point` in [0, 1) of a line on which each has its weight as its length. */
function pick(states: readonly KeyState[], point: number): number {
  let left = point * states.reduce((sum, { weight }) => sum + weight, 0)
  const index = states.findIndex(({ weight }) => (left -= weight) < 0)
  // Sums of fractions may leave a hair at the end of the line.
  return index === -1 ? states.length - 1 : index
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
    if (!(weight >= 0 && Number.isFinite(weight))) {
      throw new TypeError(`The weight of key ${name} is ${weight}, and must be a number of 0 or more.`)
    }
  }
}

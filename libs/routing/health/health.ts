import { randomUUID } from 'node:crypto'
import { channels, keys, type Redis } from '#libs/redis'
import { createAdmission, type AdmittedCall, type RefusedCall } from './admission.ts'
import { createBoard, type Board } from './board.ts'
import type { BreakerSettings, TargetId } from './breaker.ts'
import { createCircuits, type Circuit, type Circuits } from './circuits.ts'
import { keySubject, limitsSubject, nameOf, parseSubject } from './subject.ts'

/** What is known of a target, at most a second old. */
export interface TargetView {
  /** `half-open` when its rest is over: calls may try whether it is well again, a few at a time. */
  readonly circuit: 'closed' | 'open' | 'half-open'
  /** Whether its limits leave it nothing until then. */
  readonly isResting: boolean
  /** Until when it can't be called, be it ill or at its limits, as `Date.now()` tells time; 0 when it can. */
  readonly untilMs: number
  /** Calls that run in all processes, and those that this one has sent its way since it last read. */
  readonly inFlight: number
  /** To the first byte, averaged over the last calls; undefined when unknown. */
  readonly latencyMs: number | undefined
  readonly requestsThisMinute: number
  readonly tokensThisMinute: number
  /** Names of its keys that are not to be leased, since calls with them fail. */
  readonly sickKeys: readonly string[]
}

/** A circuit that is not closed, or a target that rests, for people to look at. */
export interface CircuitReport extends TargetId, Circuit {
  /** Undefined when it is the target's own. */
  readonly key: string | undefined
}

/**
 * What this process knows of how targets fare, and tells of them: one of it in each process. Redis sums up what all
 * of them see; each reads the sums once a second, and hears at once of a circuit that opens or closes. The calls to a
 * healthy target cost no round trip.
 */
export interface Health {
  /** Asks Redis only where a circuit, of the target or of the key, is not closed and its rest is over. */
  admit(target: TargetId, key: string | null): Promise<AdmittedCall | RefusedCall>
  /** From memory. */
  look(target: TargetId): TargetView
  /** Whether this process may send one of its requests to a half-open target now; true for a few in a second. */
  takeProbe(target: TargetId): boolean
  /** A request goes to the target, and counts as in flight until the next news of it. */
  chose(target: TargetId): void
  /** Tells all processes that the target's limits leave it nothing until then, by `Date.now()`. */
  rest(target: TargetId, untilMs: number): void
  circuits(): CircuitReport[]
  /** Tells and reads now what would be told and read within a second. */
  refresh(): Promise<void>
  close(): Promise<void>
}

/** The connections stay their owner's. */
export interface HealthOptions {
  redis: Redis
  /** Without one, what happens elsewhere is known after a second. */
  subscriber?: Redis
  settingsOf: (target: TargetId) => BreakerSettings
  /** How many keys a provider has: the only key of one has no circuit of its own. */
  keysOf: (provider: string) => number
  /** What this process saw has opened a circuit. */
  onOpened?: (target: TargetId, key: string | undefined) => void
  onError: (error: unknown) => void
}

const everyMs = 1_000
const longestRestMs = 60_000

/** Reads and listens from now on; resolves when it knows how things are. */
export async function createHealth(options: HealthOptions): Promise<Health> {
  const { redis, subscriber, onOpened = () => undefined, onError } = options
  const circuits = createCircuits(redis, Date.now)
  const board = createBoard(redis, randomUUID())
  const admission = createAdmission({ ...options, circuits, board, onOpened })
  const chosen = new Map<string, number>()

  async function refresh(): Promise<void> {
    await Promise.all([admission.flush(), board.publish()])
    await read(redis, circuits, board)
    chosen.clear()
  }

  const hear = (channel: string, message: string): void => {
    if (channel === channels.circuits) circuits.hear(message)
  }
  subscriber?.on('message', hear)
  await subscriber?.subscribe(channels.circuits)
  await read(redis, circuits, board)
  const timer = setInterval(onlyOneAtATime(refresh, onError), everyMs)

  return {
    admit: (target, key) => admission.admit(target, key),
    look: (target) => toView(nameOf(target), circuits, board, chosen),
    takeProbe: createProbeOffers(options.settingsOf),
    chose(target) {
      const name = nameOf(target)
      chosen.set(name, (chosen.get(name) ?? 0) + 1)
    },
    rest(target, untilMs) {
      const subject = limitsSubject(nameOf(target))
      const restMs = Math.min(longestRestMs, untilMs - Date.now())
      // Every call that is limited says so, and a moment more is no news.
      const isKnown = (circuits.of(subject)?.untilMs ?? 0) > Date.now() + restMs - everyMs / 10
      if (restMs > 0 && !isKnown) circuits.rest(subject, restMs).catch(onError)
    },
    circuits: () => {
      return [...circuits.entries()].map(([subject, circuit]) => ({ ...parseSubject(subject), ...circuit }))
    },
    refresh,
    async close() {
      clearInterval(timer)
      subscriber?.off('message', hear)
      await Promise.all([admission.flush(), board.publish()]).catch(onError)
    },
  }
}

/** One round trip for all that is shared. */
async function read(redis: Redis, circuits: Circuits, board: Board): Promise<void> {
  const { heard } = circuits
  const replies = await redis.pipeline().time().hgetall(keys.circuits).hgetall(keys.board).exec()
  const [time, ill, lines] = (replies ?? []).map(([error, reply]) => {
    if (error !== null) throw error
    return reply
  }) as [[string, string], Record<string, string>, Record<string, string>]
  const redisMs = Number(time[0]) * 1000 + Number(time[1]) / 1000
  // What was heard in between is newer than what was read.
  if (circuits.heard === heard) circuits.replace(ill, redisMs)
  board.replace(lines, redisMs)
}

function onlyOneAtATime(act: () => Promise<void>, onError: (error: unknown) => void): () => void {
  let isBusy = false
  return () => {
    if (isBusy) return
    isBusy = true
    act()
      .catch(onError)
      .finally(() => (isBusy = false))
  }
}

function toView(
  name: string,
  circuits: Circuits,
  board: Board,
  chosen: ReadonlyMap<string, number>,
): TargetView {
  const nowMs = Date.now()
  const ownChoices = chosen.get(name) ?? 0
  const { inFlight, latencyMs, requests, tokens } = board.of(name)
  const own = circuits.of(name)
  const limits = circuits.of(limitsSubject(name))
  const isOpen = own?.state === 'open' && own.untilMs > nowMs
  const isResting = limits !== undefined && limits.untilMs > nowMs
  return {
    circuit: own === undefined ? 'closed' : isOpen ? 'open' : 'half-open',
    isResting,
    untilMs: Math.max(isOpen ? own.untilMs : 0, isResting ? limits.untilMs : 0),
    inFlight: inFlight + ownChoices,
    latencyMs,
    requestsThisMinute: requests + ownChoices,
    tokensThisMinute: tokens,
    sickKeys: circuits.isEmpty ? [] : findSickKeys(name, circuits, nowMs),
  }
}

function findSickKeys(name: string, circuits: Circuits, nowMs: number): string[] {
  const before = keySubject(name, '')
  return [...circuits.entries()].flatMap(([subject, { state, untilMs }]) => {
    const isSick = state === 'open' && untilMs > nowMs && subject.startsWith(before)
    return isSick ? [subject.slice(before.length)] : []
  })
}

/** As many a second as may be on their way at once, so that the others need not be refused and sent elsewhere. */
function createProbeOffers(settingsOf: (target: TargetId) => BreakerSettings): Health['takeProbe'] {
  const offers = new Map<string, { untilMs: number; left: number }>()
  return (target) => {
    const name = nameOf(target)
    const { probes, openMs } = settingsOf(target)
    const nowMs = Date.now()
    let offer = offers.get(name)
    if (offer === undefined || offer.untilMs <= nowMs) {
      if (offers.size > 1_000) offers.clear()
      offer = { untilMs: nowMs + Math.min(openMs, everyMs), left: probes }
      offers.set(name, offer)
    }
    offer.left -= 1
    return offer.left >= 0
  }
}

import { defineBatchScript, defineScript, keys, limitPrefix, runPrefix, type Redis } from '#libs/redis'

/** What may be used at once and in a minute; what is absent has no limit. */
export interface Limits {
  readonly requestsPerMinute?: number | undefined
  readonly tokensPerMinute?: number | undefined
  readonly parallel?: number | undefined
}

/** Something that has limits, under a name that all processes know it by. */
export interface Meter {
  readonly name: string
  readonly limits: Limits
}

/** In the order in which they come first where many wait for one place. */
export type Urgency = 'interactive' | 'standard' | 'batch'

/** Asks for a place under each of the shared meters and under one of the choices, of which the first are liked best. */
export interface PlaceRequest {
  /** No two leases have the same. What is sent again under it counts once. */
  id: string
  rid: string
  /** What the call will probably use. */
  tokens: number
  shared: readonly Meter[]
  /** At least one; `undefined` is one without limits. */
  choices: readonly (Meter | undefined)[]
  /** Where runs wait that want the same; without it nobody waits. */
  line?: Line
  /** Whether the place is held until the run has ended, and not for one call of a worker that lives. */
  heldByRun?: boolean
}

/** Where runs wait, each in its lane. */
export interface Line {
  name: string
  urgency: Urgency
  /** How many choices those who wait have among them, of which some may rest; as many as there are if left out. */
  choices?: number
}

/** What was left under the chosen meter, or under the first where there was no place. */
export interface Remaining {
  requests: number | undefined
  tokens: number | undefined
}

/** `choice` is an index. Who has to wait comes back in `waitMs`, with the same `rid` and line. */
export type Place =
  | { status: 'taken'; choice: number; remaining: Remaining }
  | { status: 'wait'; waitMs: number; remaining: Remaining }

/** What is known when a lease ends. */
export interface Usage {
  /** Input and output; left out where nobody knows, and then the estimate stands. */
  tokens?: number | undefined
  /** Nothing was sent, and nothing shall count. */
  isUnused?: boolean
}

/** Counts under limits that all processes share. */
export interface Limiter {
  take(request: PlaceRequest): Promise<Place>
  /** A run that was told to wait does not. */
  leave(line: Line, rid: string): Promise<void>
  /** Harmless when repeated, and for an id that is not known. */
  release(id: string, usage: Usage): Promise<void>
}

/**
 * In seconds. A provider counts a minute back from each request that it gets. Requests are counted here when they
 * leave, by whole seconds: of 63 at least 62 have passed when a second is forgotten, so that one request may take two
 * seconds longer to arrive than another.
 */
const windowSeconds = 63
/** As long as a worker is not taken for dead. */
const silentMs = 12_000
/** A turn that nobody takes for so long is over. */
const graceMs = 5_000
/** Longer than calls take. A lease whose end comes later is corrected no more. */
const keepMs = 60 * 60 * 1000

const urgencies: readonly Urgency[] = ['interactive', 'standard', 'batch']

/** `now` replaces the clock of Redis, in milliseconds, where a test has to be quicker than time. */
export function createLimiter(redis: Redis, { now }: { now?: () => number } = {}): Limiter {
  const take = defineBatchScript(redis, new URL('./take-2.lua', import.meta.url))
  const release = defineScript(redis, new URL('./release-1.lua', import.meta.url))
  return {
    async take({ id, rid, tokens, shared, choices, line, heldByRun }) {
      const call = {
        id,
        rid,
        tokens: Math.ceil(tokens),
        ...(line !== undefined && { line: line.name, lane: urgencies.indexOf(line.urgency) }),
        of: line?.choices ?? choices.length,
        shared: shared.map(toWords),
        choices: choices.map((meter) => (meter === undefined ? {} : toWords(meter))),
        ...(heldByRun === true && { heldByRun }),
        window: windowSeconds,
        silentMs,
        graceMs,
        keepMs,
        now: now?.(),
      }
      const reply = await take([keys.running, keys.alive], [limitPrefix, runPrefix, JSON.stringify(call)])
      const [number, requests, left, waitMs = 0] = reply as [number, number, number, number?]
      const remaining = { requests: toLeft(requests), tokens: toLeft(left) }
      return number === 0
        ? { status: 'wait', waitMs, remaining }
        : { status: 'taken', choice: number - 1, remaining }
    },
    async leave({ name, urgency }, rid) {
      await redis.zrem(keys.line(name, urgencies.indexOf(urgency)), rid)
    },
    async release(id, { tokens, isUnused }) {
      const used = tokens === undefined ? '' : Math.ceil(tokens)
      await release([keys.lease(id)], [limitPrefix, id, used, isUnused === true ? '1' : '', now?.() ?? ''])
    },
  }
}

/** The lease that a run holds itself, whichever process ends it. */
export function runLeaseId(rid: string): string {
  return `${rid} run`
}

/** Undefined where nothing is limited. */
export function toMeter(name: string, limits: Limits | undefined): Meter | undefined {
  const isLimited = Object.values(limits ?? {}).some((limit) => limit !== undefined)
  return isLimited && limits !== undefined ? { name, limits } : undefined
}

function toWords({ name, limits }: Meter): object {
  const { requestsPerMinute: requests, tokensPerMinute: tokens, parallel } = limits
  return { name, requests, tokens, parallel }
}

function toLeft(number: number): number | undefined {
  return number === -1 ? undefined : number
}

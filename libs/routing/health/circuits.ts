import { channels, defineBatchScript, defineScript, keys, type Redis } from '#libs/redis'
import type { BreakerSettings } from './breaker.ts'

/** What keeps a subject from being called: an open circuit, or limits that let nothing through for a while. */
export interface Circuit {
  readonly state: 'open' | 'half-open' | 'resting'
  /** By the clock of this process, whatever Redis' says. */
  readonly untilMs: number
  /** How often it has opened without a time of health in between. */
  readonly opens: number
}

/** Calls that are counted at once; a sick one is told alone, and takes along what went well before it. */
export interface Tally {
  calls: number
  slow: number
  sick: boolean
  group: string
  limit: number
  /** What its admission called it, if the call was a probe. */
  probe?: string | undefined
  verdict?: 'well' | 'sick' | 'nothing'
}

/** What Redis says to a call whose subject is not well, as far as is known. */
export type Answer =
  | { status: 'call' }
  | { status: 'probe'; probe: string }
  | { status: 'open'; restMs: number }

/** The circuits of all subjects that are not closed, as Redis holds them, and a copy of them in this process. */
export interface Circuits {
  /** From the copy; undefined for one that is closed. */
  of(subject: string): Circuit | undefined
  /** From the copy: `[subject, circuit]`. */
  entries(): Iterable<[string, Circuit]>
  readonly isEmpty: boolean
  judge(subject: string, settings: BreakerSettings, tally: Tally): Promise<'opened' | 'closed' | 'same'>
  ask(subject: string, settings: BreakerSettings, token: string): Promise<Answer>
  rest(subject: string, restMs: number): Promise<void>
  /** Takes what another process has told on the channel. */
  hear(message: string): void
  /** Counts the messages heard: what was read before the last of them is old. */
  readonly heard: number
  /** Takes all that Redis holds, read at `redisMs` of its clock. */
  replace(lines: Readonly<Record<string, string>>, redisMs: number): void
}

/** So many subjects may be ill at once. It is far more than a configuration has: clients make up names. */
const mostCircuits = 1_000

/** The connection stays its owner's. */
export function createCircuits(redis: Redis, now: () => number): Circuits {
  const judge = defineBatchScript(redis, new URL('judge-2.lua', import.meta.url))
  const ask = defineScript(redis, new URL('probe-2.lua', import.meta.url))
  const rest = defineScript(redis, new URL('rest-1.lua', import.meta.url))
  let copy = new Map<string, Circuit>()
  let heard = 0
  return {
    of: (subject) => copy.get(subject),
    entries: () => copy.entries(),
    get isEmpty() {
      return copy.size === 0
    },
    async judge(subject, settings, tally) {
      const reply = await judge(
        [keys.circuit(subject), keys.circuits],
        judgeArguments(subject, settings, tally),
      )
      return reply as 'opened' | 'closed' | 'same'
    },
    async ask(subject, { probes, openMs }, token) {
      // A silent probe gives up its place after the time in which another would have been tried anyway.
      const args = [subject, channels.circuits, token, probes, openMs]
      const reply = (await ask([keys.circuit(subject), keys.circuits], args)) as [string, (string | number)?]
      const [status, detail] = reply
      if (status === 'probe') return { status, probe: String(detail) }
      return status === 'open' ? { status, restMs: Number(detail) } : { status: 'call' }
    },
    async rest(subject, restMs) {
      await rest([keys.circuits], [subject, channels.circuits, Math.ceil(restMs), mostCircuits])
    },
    hear(message) {
      heard += 1
      const end = message.lastIndexOf('\n')
      const subject = message.slice(0, end)
      const [state = '', restMs, opens] = message.slice(end + 1).split(' ')
      if (isState(state)) copy.set(subject, { state, untilMs: now() + Number(restMs), opens: Number(opens) })
      else copy.delete(subject)
    },
    get heard() {
      return heard
    },
    replace(lines, redisMs) {
      const behindMs = now() - redisMs
      copy = new Map(
        Object.entries(lines).flatMap(([subject, line]) => {
          const [state = '', untilMs, opens] = line.split(' ')
          const circuit = { untilMs: Number(untilMs) + behindMs, opens: Number(opens) }
          return isState(state) ? [[subject, { state, ...circuit }] as const] : []
        }),
      )
    },
  }
}

function isState(word: string): word is Circuit['state'] {
  return word === 'open' || word === 'half-open' || word === 'resting'
}

function judgeArguments(subject: string, settings: BreakerSettings, tally: Tally): (string | number)[] {
  const { windowMs, minCalls, failureRate, slowCallRate, openMs, maxOpenMs, probes } = settings
  const { calls, slow, sick, group, limit, probe = '', verdict = 'nothing' } = tally
  const marks = [windowMs, minCalls, failureRate, slowCallRate, openMs, maxOpenMs, probes, mostCircuits]
  const told = [calls, sick ? '1' : '0', slow, group, limit, probe, verdict]
  return [subject, channels.circuits, ...marks, ...told]
}

import { randomUUID } from 'node:crypto'
import type { ErrorCode } from '#libs/core'
import type { Board } from './board.ts'
import { judgeCall, type BreakerSettings, type Judgement, type TargetId } from './breaker.ts'
import type { Circuits, Tally } from './circuits.ts'
import { keySubject, nameOf, parseSubject } from './subject.ts'

/** How a call ended. */
export interface CallResult {
  error?: ErrorCode | undefined
  /** Input and output, where the provider told. */
  tokens?: number | undefined
}

/** A call that may be made. */
export interface AdmittedCall {
  readonly status: 'call' | 'probe'
  /** The first byte of the answer is there: a probe has found its target well. */
  heard(): void
  /** To be called once, however the call ended. */
  report(result: CallResult): void
}

/** A call that may not be made yet. */
export interface RefusedCall {
  readonly status: 'open'
  /** As `Date.now()` tells time. */
  readonly untilMs: number
  /** Where it is the key, another may be better. */
  readonly of: 'target' | 'key'
}

/** Lets calls through to what is well, and tells the circuits and the board how they went. */
export interface Admission {
  admit(target: TargetId, key: string | null): Promise<AdmittedCall | RefusedCall>
  /** Tells what went well since the last time; what went wrong is told at once. Resolves when all of it is told. */
  flush(): Promise<void>
}

export interface AdmissionOptions {
  circuits: Circuits
  board: Board
  settingsOf: (target: TargetId) => BreakerSettings
  /** How many keys a provider has: the only key of one has no circuit of its own. */
  keysOf: (provider: string) => number
  /** What this process saw has opened a circuit. */
  onOpened: (target: TargetId, key: string | undefined) => void
  onError: (error: unknown) => void
}

/** A longer name is no model's, and is not kept account of. */
const longestName = 512

export function createAdmission(options: AdmissionOptions): Admission {
  const { circuits, board, settingsOf, keysOf } = options
  const tallies = createTallies(options)

  /** A place as a probe at every subject that needs one; gives back those that it has when one has none to give. */
  async function ask(subjects: readonly string[], settings: BreakerSettings) {
    const probes = new Map<string, string>()
    for (const subject of subjects) {
      const known = circuits.of(subject)
      if (known === undefined) continue
      const restMs = known.state === 'open' ? known.untilMs - Date.now() : 0
      const answer =
        restMs > 0
          ? ({ status: 'open', restMs } as const)
          : await circuits.ask(subject, settings, randomUUID())
      if (answer.status === 'probe') probes.set(subject, answer.probe)
      if (answer.status !== 'open') continue
      for (const [taken, probe] of probes) tallies.tell(taken, settings, { ...noCall, probe })
      return { refusedBy: subject, untilMs: Date.now() + answer.restMs }
    }
    return probes
  }

  return {
    flush: () => tallies.flush(),
    async admit(target, key) {
      const name = nameOf(target)
      const settings = settingsOf(target)
      const subjects = settings.openMs > 0 && name.length <= longestName ? [name] : []
      if (subjects.length > 0 && key !== null && keysOf(target.provider) > 1) {
        subjects.push(keySubject(name, key))
      }
      const probes = await ask(subjects, settings)
      if (probes instanceof Map) return startCall({ name, subjects, probes, settings, board, tallies })
      const { refusedBy, untilMs } = probes
      return { status: 'open', untilMs, of: refusedBy === name ? 'target' : 'key' }
    },
  }
}

interface CallStart {
  name: string
  /** Those whose circuits count the call, and as what some of them take it for a probe. */
  subjects: readonly string[]
  probes: ReadonlyMap<string, string>
  settings: BreakerSettings
  board: Board
  tallies: Tallies
}

function startCall({ name, subjects, probes, settings, board, tallies }: CallStart): AdmittedCall {
  const startedAtMs = performance.now()
  let firstByteMs: number | undefined
  const judgeProbe = (subject: string, { verdict, isSlow }: Judgement): void => {
    const probe = probes.get(subject)
    const found = isSlow ? 'sick' : verdict
    if (probe !== undefined) tallies.tell(subject, settings, { ...noCall, probe, verdict: found })
  }
  board.began(name)
  return {
    status: probes.size === 0 ? 'call' : 'probe',
    heard() {
      if (firstByteMs !== undefined) return
      firstByteMs = performance.now() - startedAtMs
      const judgement = judgeCall({ firstByteMs }, settings)
      for (const subject of subjects) judgeProbe(subject, judgement)
    },
    report({ error, tokens = 0 }) {
      const wasHeard = firstByteMs !== undefined
      const latencyMs = firstByteMs ?? performance.now() - startedAtMs
      // How quickly a call fails says nothing, but for one that took too long.
      const isMeasured = error === undefined || error === 'upstream_timeout'
      board.ended(name, { latencyMs: isMeasured ? latencyMs : undefined, tokens })
      const judgement = judgeCall({ error, firstByteMs: latencyMs }, settings)
      for (const subject of subjects) {
        // A probe that was heard has told what it found, and is a call like any other from then on.
        if (probes.has(subject) && !wasHeard) judgeProbe(subject, judgement)
        else tallies.add(subject, settings, judgement)
      }
    },
  }
}

const noCall: Readonly<Tally> = { calls: 0, slow: 0, sick: false, group: '', limit: 0 }

interface Tallies {
  add(subject: string, settings: BreakerSettings, judgement: Judgement): void
  tell(subject: string, settings: BreakerSettings, tally: Tally): void
  flush(): Promise<void>
}

function createTallies({ circuits, onOpened, onError }: AdmissionOptions): Tallies {
  const waiting = new Map<string, { settings: BreakerSettings; calls: number; slow: number }>()
  const onTheirWay = new Set<Promise<void>>()

  async function send(subject: string, settings: BreakerSettings, tally: Tally): Promise<void> {
    if ((await circuits.judge(subject, settings, tally)) !== 'opened') return
    const { key, ...target } = parseSubject(subject)
    onOpened(target, key)
  }

  const tell: Tallies['tell'] = (subject, settings, tally) => {
    const sent = send(subject, settings, tally)
      .catch(onError)
      .finally(() => onTheirWay.delete(sent))
    onTheirWay.add(sent)
  }

  return {
    tell,
    add(subject, settings, { verdict, isSlow, group, limit }) {
      if (verdict === 'nothing') return
      const before = waiting.get(subject)
      const calls = (before?.calls ?? 0) + 1
      const slow = (before?.slow ?? 0) + Number(isSlow)
      if (verdict === 'well') {
        waiting.set(subject, { settings, calls, slow })
        return
      }
      // A rate is one of all calls, so those that went well must not come later.
      waiting.delete(subject)
      tell(subject, settings, { calls, slow, sick: true, group, limit })
    },
    async flush() {
      for (const [subject, { settings, calls, slow }] of waiting) {
        tell(subject, settings, { ...noCall, calls, slow })
      }
      waiting.clear()
      await Promise.all(onTheirWay)
    },
  }
}

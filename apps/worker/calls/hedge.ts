import { setTimeout as sleep } from 'node:timers/promises'
import { targetName } from '#libs/routing'
import type { RunSpec } from '#libs/runs'
import { admitCall, type CallWish, type ReadyCall } from './admit-call.ts'
import { callOnce } from './call-once.ts'
import type { Heard } from './call-provider.ts'
import { withTarget } from './go-on.ts'
import { currentTarget, type Journey } from './journey.ts'
import type { Candidate } from './routes.ts'

/** One of two calls for a run. */
interface Racer {
  spec: RunSpec
  stop: () => void
  done: Promise<Heard>
}

/**
 * Calls the run's target, and once more when that has been silent for so long: another target of the same provider if
 * the run has one, else with another key, else the same. Whoever says something first is heard, and the other is
 * stopped. Throws what the first call brought if both fail. Another provider is never called so: the run has no place
 * there.
 */
export async function callHedged(journey: Journey, ready: ReadyCall, delayMs: number): Promise<Heard> {
  const { held } = journey
  const racers: Racer[] = []
  const settled = new AbortController()
  let winner: Racer | undefined

  function win(racer: Racer): boolean {
    if (winner === undefined) {
      winner = racer
      settled.abort()
      journey.claim = { ...journey.claim, spec: racer.spec }
      for (const other of racers) if (other !== racer) other.stop()
    }
    return winner === racer
  }

  function start(spec: RunSpec, racerReady: ReadyCall): Racer {
    const own = new AbortController()
    const signal = AbortSignal.any([held.signal, own.signal])
    const call = callOnce(journey, { spec, ready: racerReady, signal, isHeard: () => win(racer) })
    // An answer in one piece has no frame that would have won before.
    const done = call.then((heard) => {
      win(racer)
      return heard
    })
    const racer: Racer = { spec, stop: () => own.abort(), done }
    racers.push(racer)
    return racer
  }

  const first = start(journey.claim.spec, ready)
  first.done.catch(() => settled.abort())
  const isSilent = await sleep(delayMs, true, { signal: settled.signal }).catch(() => false)
  if (isSilent) {
    // The first call goes on, whatever keeps a second from being made.
    const second = await chooseSecond(journey, ready).catch(() => undefined)
    if (second !== undefined && !settled.signal.aborted) start(second.spec, second.ready)
    else if (second !== undefined) letGo(second.ready)
  }
  await Promise.allSettled(racers.map(({ done }) => done))
  return (winner ?? first).done
}

async function chooseSecond(
  journey: Journey,
  { lease }: ReadyCall,
): Promise<{ spec: RunSpec; ready: ReadyCall } | undefined> {
  const { spec } = journey.claim
  const other = findOther(journey)
  if (other !== undefined) {
    const ready = await admitNow(journey, { model: other.model })
    return ready && { spec: withTarget(spec, other), ready }
  }
  const spentKeys = lease.name === null ? journey.spentKeys : new Set([...journey.spentKeys, lease.name])
  const ready = (await admitNow(journey, { spentKeys })) ?? (await admitNow(journey, {}))
  return ready && { spec, ready }
}

/** A second call waits for nobody's turn. */
async function admitNow(journey: Journey, wish: CallWish): Promise<ReadyCall | undefined> {
  const ready = await admitCall(journey, wish)
  if (ready.status === 'wait') ready.leave()
  return ready.status === 'ready' ? ready : undefined
}

/** Another candidate of the same provider that may be called now. */
function findOther(journey: Journey): Candidate | undefined {
  const { claim, provider, progress, routes } = journey
  const { left, limitedUntilMs, fallbacks = [] } = progress
  const candidates = routes.tiersOf(claim.spec, fallbacks).flat()
  return candidates.find((candidate) => {
    const name = targetName(candidate)
    const isHere = candidate.provider === provider.config.name && name !== currentTarget(journey)
    return isHere && !left.includes(name) && (limitedUntilMs[name] ?? 0) <= Date.now()
  })
}

function letGo({ lease, admitted }: ReadyCall): void {
  lease.release({ isUnused: true })
  admitted.report({ error: 'cancelled' })
}

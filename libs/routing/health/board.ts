import { callsPrefix, defineScript, keys, type Redis } from '#libs/redis'

/** What all processes together do with one target. */
export interface Load {
  /** Calls that run. */
  inFlight: number
  /** To the first byte, averaged over the last calls; undefined when none was measured of late. */
  latencyMs: number | undefined
  /** Since the last full minute of the clock. */
  requests: number
  tokens: number
}

/** What the processes do with each target, as Redis sums it up each second. */
export interface Board {
  /** As it was last read. */
  of(target: string): Load
  began(target: string): void
  /** A latency that is undefined was not measured. */
  ended(target: string, measured: { latencyMs: number | undefined; tokens: number }): void
  /** Tells Redis what this process has done since, if it has done anything. */
  publish(): Promise<void>
  /** Takes all that Redis holds, read at `redisMs` of its clock. */
  replace(lines: Readonly<Record<string, string>>, redisMs: number): void
}

/** Who runs a call says so each second. */
const silentMs = 10_000
const forgottenMs = 60_000
/** Names come from clients too, where they may ask for `provider/model`. */
const mostTargets = 1_000

interface Doing {
  running: number
  requests: number
  tokens: number
  latencySumMs: number
  samples: number
}

const nothing: Readonly<Load> = { inFlight: 0, latencyMs: undefined, requests: 0, tokens: 0 }

/** `process` names this one among all that share the Redis; the connection stays its owner's. */
export function createBoard(redis: Redis, process: string): Board {
  const publish = defineScript(redis, new URL('publish-5.lua', import.meta.url))
  const doing = new Map<string, Doing>()
  let copy = new Map<string, Load>()

  function of(target: string): Doing {
    let is = doing.get(target)
    if (is === undefined) {
      is = { running: 0, requests: 0, tokens: 0, latencySumMs: 0, samples: 0 }
      // What finds no room is called all the same, and not counted.
      if (doing.size < mostTargets) doing.set(target, is)
    }
    return is
  }

  return {
    of: (target) => copy.get(target) ?? nothing,
    began(target) {
      const is = of(target)
      is.running += 1
      is.requests += 1
    },
    ended(target, { latencyMs, tokens }) {
      const is = of(target)
      is.running -= 1
      is.tokens += tokens
      if (latencyMs === undefined) return
      is.latencySumMs += latencyMs
      is.samples += 1
    },
    async publish() {
      if (doing.size === 0) return
      const told = [...doing].flatMap(([target, { running, requests, tokens, latencySumMs, samples }]) => {
        return [target, running, requests, tokens, samples === 0 ? 0 : latencySumMs / samples, samples]
      })
      for (const [target, { running }] of doing) {
        // One that runs nothing any more is told once more in this call, and then forgotten.
        if (running === 0) doing.delete(target)
        else doing.set(target, { running, requests: 0, tokens: 0, latencySumMs: 0, samples: 0 })
      }
      const boardKeys = [keys.board, keys.callsOf(process), keys.callers, keys.circuits, keys.boardSwept]
      await publish(boardKeys, [process, callsPrefix, silentMs, mostTargets, forgottenMs, ...told])
    },
    replace(lines, redisMs) {
      copy = new Map(Object.entries(lines).map(([target, line]) => [target, readLine(line, redisMs)]))
    },
  }
}

/** As `publish` writes it. */
function readLine(line: string, redisMs: number): Load {
  const [running = 0, minute, requests = 0, tokens = 0, latencyMs = -1, measuredMs = 0, calledMs = 0] = line
    .split(' ')
    .map(Number)
  const isThisMinute = minute === Math.floor(redisMs / 60_000)
  return {
    // Who ran it has died, and nobody was there to take it out.
    inFlight: redisMs - calledMs > silentMs ? 0 : running,
    latencyMs: latencyMs < 0 || redisMs - measuredMs > forgottenMs ? undefined : latencyMs,
    requests: isThisMinute ? requests : 0,
    tokens: isThisMinute ? tokens : 0,
  }
}

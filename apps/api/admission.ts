import { GatewayError } from '#libs/core'
import type { Redis } from '#libs/redis'
import type { RunStore } from '#libs/runs'
import type { Metrics } from '#libs/telemetry'

/**
 * Whether new runs are taken. What runs must be able to end, and what ended waits in Redis for the archive: so the
 * last part of its memory is kept for those, and new runs are refused before it is used. They are refused as well
 * when the archive has taken nothing for so long that more would only be more to lose.
 */
export interface Admission {
  /** Throws `overloaded` while no new run is taken. */
  check(): void
  /** How the archive keeps up: `behind` is for people to look at, under `refusing` no new run is taken. */
  readonly archive: 'ok' | 'behind' | 'refusing'
  close(): void
}

export interface AdmissionOptions {
  redis: Redis
  store: Pick<RunStore, 'outbox'>
  /** The age of the oldest finished run outside the archive from which on new ones are refused. */
  outboxLimitMs: number
  metrics: Pick<Metrics, 'refusals'>
  onError: (error: unknown) => void
}

const lookEveryMs = 2_000
const fullShare = 0.8
const archiveBehindMs = 60_000
/** An object store that was away for so long will not be back in a moment. */
const archiveRetryMs = 30_000

/** Looks at Redis every two seconds from now on. While it can't be asked, what was seen last holds. */
export function createAdmission(options: AdmissionOptions): Admission {
  const { redis, store, outboxLimitMs, metrics, onError } = options
  let isFull = false
  let archive: Admission['archive'] = 'ok'

  async function look(): Promise<void> {
    const [memory, { oldestAgeMs }] = await Promise.all([redis.info('memory'), store.outbox()])
    isFull = readUsedShare(memory) >= fullShare
    archive = oldestAgeMs > outboxLimitMs ? 'refusing' : oldestAgeMs > archiveBehindMs ? 'behind' : 'ok'
  }

  const timer = setInterval(() => void look().catch(onError), lookEveryMs)
  function refuse(reason: 'memory' | 'archive', what: string, retryAfterMs: number): never {
    metrics.refusals({ reason }).inc()
    throw new GatewayError('overloaded', `${what} Send the request again later.`, { retryAfterMs })
  }

  return {
    check() {
      if (isFull) refuse('memory', 'The gateway holds as many runs as it can.', lookEveryMs)
      if (archive === 'refusing')
        refuse('archive', 'The gateway cannot store what it has finished.', archiveRetryMs)
    },
    get archive() {
      return archive
    },
    close: () => clearInterval(timer),
  }
}

/** Of `maxmemory`; a server without one may take half of its machine. Nothing, where a server tells neither. */
function readUsedShare(info: string): number {
  const read = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0)
  const limit = read('maxmemory') || read('total_system_memory') / 2
  return limit === 0 ? 0 : read('used_memory') / limit
}

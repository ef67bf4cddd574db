import { GatewayError } from '#libs/core'
import type { Redis } from '#libs/redis'
import type { RunStore } from '#libs/runs'

/**
 * Whether new runs are taken. What runs must be able to end, and what ended waits in Redis for the archive: so the
 * last part of its memory is kept for those, and new runs are refused before it is used.
 */
export interface Admission {
  /** Throws `overloaded` while Redis is too full for a new run. */
  check(): void
  /** Whether finished runs have waited for the archive for long. */
  readonly isArchiveBehind: boolean
  close(): void
}

export interface AdmissionOptions {
  redis: Redis
  store: Pick<RunStore, 'outbox'>
  onError: (error: unknown) => void
}

const lookEveryMs = 2_000
const fullShare = 0.8
const archiveBehindMs = 60_000

/** Looks at Redis every two seconds from now on. While it can't be asked, what was seen last holds. */
export function createAdmission({ redis, store, onError }: AdmissionOptions): Admission {
  let usedShare = 0
  let isArchiveBehind = false

  async function look(): Promise<void> {
    const [memory, { oldestAgeMs }] = await Promise.all([redis.info('memory'), store.outbox()])
    usedShare = readUsedShare(memory)
    isArchiveBehind = oldestAgeMs > archiveBehindMs
  }

  const timer = setInterval(() => void look().catch(onError), lookEveryMs)
  return {
    check() {
      if (usedShare < fullShare) return
      throw new GatewayError(
        'overloaded',
        'The gateway holds as many runs as it can. Send the request again later.',
        { retryAfterMs: lookEveryMs },
      )
    },
    get isArchiveBehind() {
      return isArchiveBehind
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

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'

const lifetimeMs = 30_000
const retryEveryMs = 50

const release = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

/**
 * Runs `act` while nobody else who asks for the same key does, on any machine. Waits for its turn as long as it
 * takes; a holder that dies is waited for half a minute. It keeps apart, and is no proof: an `act` that takes longer
 * than that may overlap with the next one.
 */
export async function withLock<T>(redis: Redis, key: string, act: () => Promise<T>): Promise<T> {
  const token = randomUUID()
  while ((await redis.set(key, token, 'PX', lifetimeMs, 'NX')) === null) await sleep(retryEveryMs)
  try {
    return await act()
  } finally {
    await redis.eval(release, 1, key, token)
  }
}

import { Redis, type RedisOptions } from 'ioredis'

/**
 * The ways in which the processes talk to Redis.
 *
 * - `request`: for the API tier. It fails at once when Redis is away, so that a client gets 503 and not silence.
 * - `worker`: for what must not be lost. Commands wait out an outage and are sent again; every write that goes
 *   this way is idempotent.
 * - `jobs`: the same for BullMQ, which makes a second connection of it for its blocking wait. `socketTimeout` is
 *   what notices a half-open connection: without it a blocking client never comes back (the blocking wait is
 *   5 s, so 15 s of silence is none of its making).
 * - `subscriber`: for pub/sub, with its own liveness ping (see `streams`).
 *
 * Automatic pipelining is off: a pipeline of ioredis begins by going through every script that its connection knows,
 * which costs more than it saves now that what is frequent travels in batches (see `defineBatchScript`). For the same
 * reason BullMQ, which has dozens of scripts, has a connection of its own.
 */
const optionSets = {
  request: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 2_000,
    connectTimeout: 2_000,
    socketTimeout: 5_000,
  },
  worker: {
    maxRetriesPerRequest: null,
    connectTimeout: 5_000,
    socketTimeout: 15_000,
  },
  jobs: {
    maxRetriesPerRequest: null,
    connectTimeout: 5_000,
    socketTimeout: 15_000,
  },
  subscriber: {
    maxRetriesPerRequest: null,
    connectTimeout: 2_000,
    autoResubscribe: true,
    socketTimeout: 5_000,
  },
} as const satisfies Record<string, RedisOptions>

/** What a connection is for, which decides how it meets an outage. */
export type RedisPurpose = keyof typeof optionSets

/** A quick first retry after a lost connection, then up to two seconds apart, with jitter against herds. */
function retryDelayMs(attempt: number): number {
  return Math.min(50 * 2 ** Math.min(attempt - 1, 6), 2_000) * (0.75 + Math.random() / 2)
}

/**
 * Opens a connection and waits until it is ready. The caller closes it with `disconnect()` or `quit()`.
 * Throws when Redis can't be reached within `timeoutMs`; afterwards it reconnects by itself for ever.
 */
export async function connectRedis(
  url: string,
  purpose: RedisPurpose,
  options: { timeoutMs?: number; onError?: (error: Error) => void } = {},
): Promise<Redis> {
  const redis = new Redis(url, {
    ...optionSets[purpose],
    lazyConnect: true,
    retryStrategy: retryDelayMs,
    connectionName: `millrace-${purpose}`,
  })
  redis.on('error', (error: Error) => options.onError?.(error))
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Redis at ${withoutPassword(url)} can't be reached.`)),
      options.timeoutMs ?? 10_000,
    )
  })
  try {
    await Promise.race([
      redis.connect().catch(() => new Promise((ready) => redis.once('ready', ready))),
      timeout,
    ])
  } catch (error) {
    redis.disconnect()
    throw error
  } finally {
    clearTimeout(timer)
  }
  return redis
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//')
}

import { channels, defineScript, keys, type Redis } from '#libs/redis'

/** Why a key is not used: the provider limits it for a while, or has refused it. */
export type RestReason = 'limited' | 'refused'

/** `untilMs` is of `Date.now()`. A refused key is out until it has worked again, and may be tried after that. */
export interface Rest {
  reason: RestReason
  untilMs: number
}

/** Which keys must not be used for a while. What one process learns, this one knows soon. */
export interface KeyRests {
  /** `undefined` if the key can be used. */
  look(provider: string, key: string): Rest | undefined
  /** Counts here at once. The longest rest that was asked for counts, and a refusal beats it. */
  rest(provider: string, key: string, rest: { reason: RestReason; restMs: number }): void
  /** The key works again. */
  clear(provider: string, key: string): void
  /** Whether this process is the one that may try a refused key; the others leave it alone meanwhile. */
  probe(provider: string, key: string): Promise<boolean>
  close(): void
}

/** How long a refused key is left alone: vendors have refused good keys for a while. */
export const refusedMs = 60_000
const pollEveryMs = 1_000
const forgottenMs = 24 * 60 * 60 * 1000

/** For one process alone, or for a test that sets its clock. */
export function createKeyRests(now: () => number = Date.now): KeyRests {
  const rests = new Map<string, Rest>()
  return {
    look(provider, key) {
      const rest = rests.get(`${provider} ${key}`)
      return rest?.reason === 'limited' && rest.untilMs <= now() ? undefined : rest
    },
    rest(provider, key, { reason, restMs }) {
      const untilMs = now() + restMs
      const held = rests.get(`${provider} ${key}`)
      if (held !== undefined && reason === 'limited') {
        if (held.reason === 'refused') return
        // Calls that run at once end in any order.
        held.untilMs = Math.max(held.untilMs, untilMs)
        return
      }
      rests.set(`${provider} ${key}`, { reason, untilMs })
    },
    clear: (provider, key) => void rests.delete(`${provider} ${key}`),
    probe(provider, key) {
      const rest = rests.get(`${provider} ${key}`)
      if (rest !== undefined && rest.untilMs > now()) return Promise.resolve(false)
      if (rest !== undefined) rest.untilMs = now() + refusedMs
      return Promise.resolve(true)
    },
    close: () => undefined,
  }
}

/** A key that rests, for people to look at. */
export interface RestingKey extends Rest {
  provider: string
  key: string
}

/** Reads all keys that rest, in one round trip a call; the connection stays its owner's. */
export function createRestReader(redis: Redis): () => Promise<RestingKey[]> {
  const read = defineScript(redis, new URL('./resting-1.lua', import.meta.url))
  return async () => {
    const reply = (await read([keys.resting], [forgottenMs])) as [string, RestReason, number][]
    return reply.map(([name, reason, restMs]) => {
      const [provider, key] = split(name)
      return { provider, key, reason, untilMs: Date.now() + restMs }
    })
  }
}

/** What {@link connectKeyRests} needs; all of it stays its owner's. */
export interface KeyRestsOptions {
  redis: Redis
  /** Is subscribed to one more channel. */
  subscriber: Redis
  onError: (error: unknown) => void
}

/** Shares the rests with all processes: by a message at once, and by a look each second, since a message may be lost. */
export async function connectKeyRests({ redis, subscriber, onError }: KeyRestsOptions): Promise<KeyRests> {
  const scripts = {
    rest: defineScript(redis, new URL('./rest-1.lua', import.meta.url)),
    probe: defineScript(redis, new URL('./probe-1.lua', import.meta.url)),
  }
  const read = createRestReader(redis)
  let local = createKeyRests()
  let writes = 0

  function write(provider: string, key: string, reason: RestReason, restMs: number): void {
    writes += 1
    const args = [`${provider} ${key}`, reason, Math.ceil(restMs), channels.resting]
    scripts
      .rest([keys.resting], args)
      .catch(onError)
      .finally(() => (writes -= 1))
  }

  async function poll(): Promise<void> {
    const resting = await read()
    // A reply that may be older than what this process has learned meanwhile is of no use.
    if (writes > 0) return
    local = createKeyRests()
    for (const { provider, key, reason, untilMs } of resting) {
      local.rest(provider, key, { reason, restMs: untilMs - Date.now() })
    }
  }

  function onMessage(channel: string, message: string): void {
    if (channel !== channels.resting) return
    const [provider = '', key = '', reason, restMs] = message.split(' ')
    if (restMs === '0') local.clear(provider, key)
    else local.rest(provider, key, { reason: reason as RestReason, restMs: Number(restMs) })
  }

  subscriber.on('message', onMessage)
  await subscriber.subscribe(channels.resting)
  await poll()
  const stopPolling = keepPolling(poll, onError)
  return {
    look: (provider, key) => local.look(provider, key),
    rest(provider, key, { reason, restMs }) {
      local.rest(provider, key, { reason, restMs })
      write(provider, key, reason, restMs)
    },
    clear(provider, key) {
      local.clear(provider, key)
      write(provider, key, 'limited', 0)
    },
    async probe(provider, key) {
      const isMine = (await scripts.probe([keys.resting], [`${provider} ${key}`, refusedMs])) === 1
      // Whoever tries it and whoever lost the race both leave it alone from here on.
      local.rest(provider, key, { reason: 'refused', restMs: refusedMs })
      return isMine
    },
    close() {
      stopPolling()
      subscriber.off('message', onMessage)
    },
  }
}

/** Gives what ends it. */
function keepPolling(poll: () => Promise<void>, onError: (error: unknown) => void): () => void {
  let isPolling = false
  const timer = setInterval(() => {
    if (isPolling) return
    isPolling = true
    poll()
      .catch(onError)
      .finally(() => (isPolling = false))
  }, pollEveryMs)
  return () => clearInterval(timer)
}

function split(name: string): [provider: string, key: string] {
  const [provider = '', key = ''] = name.split(' ')
  return [provider, key]
}

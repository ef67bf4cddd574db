import { randomBytes } from 'node:crypto'
import { keys, type Redis } from '#libs/redis'
import type { TargetId } from '../health/breaker.ts'
import type { Prefix } from './fingerprints.ts'

/** Where a provider keeps what it has read of prompts: a target, and the key whose account it is. */
export interface Place extends TargetId {
  key: string | null
}

/** A place that has read a prefix. */
export interface KnownPlace extends Place {
  seenAtMs: number
  /** The prefix's, as the provider counts them. */
  tokens: number
  /** How often in a row nothing was read from its cache although it should have been. */
  misses: number
  /** How many requests with this prefix it has answered. */
  uses: number
}

/** Which places have read what, for all processes. It holds digests and names, and nothing of a prompt. */
export interface KnownPlaces {
  /** In one round trip; the places of each digest that has any. */
  find(digests: readonly string[]): Promise<ReadonlyMap<string, readonly KnownPlace[]>>
  /** The place has just read these. */
  keep(prefixes: readonly Prefix[], place: Place, misses: number): Promise<void>
}

/** What no provider's cache outlives is forgotten after `keepMs`. */
export function createKnownPlaces(
  redis: Redis,
  { keepMs, now = Date.now }: { keepMs: number; now?: () => number },
): KnownPlaces {
  return {
    async find(digests) {
      if (digests.length === 0) return new Map()
      const replies = await redis.pipeline(digests.map((digest) => ['hgetall', keys.affinity(digest)])).exec()
      const found = digests.map((digest, index) => {
        const [error, fields] = replies?.[index] ?? []
        if (error) throw error
        return [digest, readPlaces((fields ?? {}) as Record<string, string>)] as const
      })
      return new Map(found.filter(([, places]) => places.length > 0))
    },
    async keep(prefixes, { provider, model, key }, misses) {
      const place = JSON.stringify([provider, model, key])
      const commands = prefixes.flatMap(({ digest, tokens }) => {
        const hash = keys.affinity(digest)
        return [
          ['hset', hash, place, `${now()} ${tokens} ${misses}`],
          ['hincrby', hash, usesOf(place), 1],
          ['pexpire', hash, keepMs],
        ]
      })
      await redis.pipeline(commands).exec()
    },
  }
}

function usesOf(place: string): string {
  return `uses ${place}`
}

function readPlaces(fields: Readonly<Record<string, string>>): KnownPlace[] {
  return Object.entries(fields).flatMap(([place, told]) => {
    if (!place.startsWith('[')) return []
    const [provider, model, key] = JSON.parse(place) as [string, string, string | null]
    const [seenAtMs = 0, tokens = 0, misses = 0] = told.split(' ').map(Number)
    return [{ provider, model, key, seenAtMs, tokens, misses, uses: Number(fields[usesOf(place)] ?? 1) }]
  })
}

/** What all processes salt their digests with: made by the first that asks, and kept where the digests are. */
export async function readAffinitySalt(redis: Redis): Promise<string> {
  const made = randomBytes(16).toString('base64url')
  return (await redis.set(keys.affinitySalt, made, 'NX', 'GET')) ?? made
}

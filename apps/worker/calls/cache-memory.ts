import type { Config } from '#config'
import type { Usage } from '#libs/core'
import { readPromptCaches } from '#libs/providers'
import type { Redis } from '#libs/redis'
import { createKnownPlaces, longestLifetime } from '#libs/routing'
import type { CacheRouting, RunSpec } from '#libs/runs'
import type { Metrics } from '#libs/telemetry'

/** Learns from answers which caches hold what. */
export interface CacheMemory {
  /** A key of the target in the spec has answered, and its cache holds the prompt from now on. */
  answered(spec: RunSpec, key: string | null, usage: Usage | undefined): void
}

/** Where a memory writes; the connection stays its owner's. */
export interface CacheMemoryParts {
  redis: Redis
  metrics: Metrics
  onError: (error: unknown) => void
}

export function createCacheMemory(
  { providers }: Pick<Config, 'providers'>,
  { redis, metrics, onError }: CacheMemoryParts,
): CacheMemory {
  const caches = readPromptCaches(providers)
  const places = createKnownPlaces(redis, { keepMs: longestLifetime(caches) })

  return {
    answered({ provider, target, routing }, key, usage) {
      if (routing === undefined) return
      const place = { provider, model: target, key }
      const outcome = outcomeOf(routing, place, usage)
      metrics.cacheAffinity({ outcome }).inc()
      const facts = caches.get(provider)
      if (facts === undefined) return
      const session = routing.session === undefined ? [] : [routing.session]
      const kept = [
        ...countedBy(usage, routing).filter(({ tokens }) => tokens >= facts.minTokens),
        ...session,
      ]
      if (kept.length === 0) return
      // Written before the end of the run on the same connection: who goes on with the conversation finds it.
      places.keep(kept, place, missesAfter(outcome, routing.misses)).catch(onError)
    },
  }
}

/** The provider counts other tokens than were estimated before; the prefixes have their share of them. */
function countedBy(usage: Usage | undefined, { prefixes }: CacheRouting): CacheRouting['prefixes'] {
  const estimated = prefixes[0]?.tokens ?? 0
  const counted = usage?.inputTokens
  if (counted === undefined || estimated === 0) return prefixes
  return prefixes.map(({ digest, tokens }) => ({
    digest,
    tokens: Math.round((tokens * counted) / estimated),
  }))
}

type Outcome = 'hit' | 'miss' | 'untold' | 'elsewhere' | 'balanced'

function outcomeOf(
  { preference, cachedTokens, provider, model, key }: CacheRouting,
  place: { provider: string; model: string; key: string | null },
  usage: Usage | undefined,
): Outcome {
  // A session is followed with nothing to find as well.
  if (preference === 'none' || cachedTokens === 0) return 'balanced'
  if (place.provider !== provider || place.model !== model || place.key !== key) return 'elsewhere'
  if (usage?.cacheReadTokens === undefined) return 'untold'
  return usage.cacheReadTokens > 0 ? 'hit' : 'miss'
}

function missesAfter(outcome: Outcome, before: number): number {
  return outcome === 'miss' ? before + 1 : outcome === 'untold' ? before : 0
}

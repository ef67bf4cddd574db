import type { CacheAffinity, Config } from '#config'
import { estimateTokens } from '#libs/dialects'
import { estimateCost, type PriceList } from '#libs/prices'
import { readPromptCaches } from '#libs/providers'
import type { Redis } from '#libs/redis'
import {
  choosePlace,
  createFingerprinter,
  createKnownPlaces,
  longestLifetime,
  readAffinitySalt,
  type CacheKnowledge,
  type Fingerprinted,
  type Health,
  type Target,
} from '#libs/routing'
import type { CacheRouting } from '#libs/runs'
import { inTime } from './in-time.ts'

/** A request for a cache-aware model. */
export interface CacheAsking extends Fingerprinted {
  /** In the order of the router. */
  candidates: readonly Target[]
  thresholds: CacheAffinity
}

/** Chooses by what the providers' prompt caches are thought to hold. */
export interface CacheChooser {
  /** Asks Redis once, unless the prompt is too short for any cache. Without its answer, load decides. */
  choose(asking: CacheAsking): Promise<{ target: Target; routing: CacheRouting }>
}

/** What a choice needs of its process; the connection stays its owner's. */
export interface CacheSources {
  redis: Redis
  health: Pick<Health, 'look'>
  prices: PriceList
  onError: (error: unknown) => void
}

/** Undefined where no model is routed by caches. */
export async function openCacheChooser(
  { models, providers }: Config,
  { redis, health, prices, onError }: CacheSources,
): Promise<CacheChooser | undefined> {
  if (!models.some(({ routing }) => routing === 'cache-aware')) return undefined
  const caches = readPromptCaches(providers)
  const places = createKnownPlaces(redis, { keepMs: longestLifetime(caches) })
  const fingerprint = createFingerprinter({ salt: await readAffinitySalt(redis), estimateTokens })
  const knowledge: Omit<CacheKnowledge, 'thresholds' | 'nowMs'> = {
    look: (target) => health.look(target),
    factsOf: (provider) => caches.get(provider),
    savingOf: (place, tokens) => savingOf(prices, place, tokens),
  }

  return {
    async choose({ candidates, thresholds, ...asked }) {
      const [first, ...others] = candidates
      if (first === undefined) throw new TypeError('A virtual model needs a target with a weight above 0.')
      const prints = fingerprint(asked)
      const least = Math.min(...candidates.map(({ provider }) => caches.get(provider)?.minTokens ?? Infinity))
      const known = prints.known.filter(({ tokens }) => tokens >= least * countingError)
      const digests = [
        ...known.map(({ digest }) => digest),
        ...(prints.session ? [prints.session.digest] : []),
      ]
      const found = await inTime(places.find(digests)).catch((error: unknown) => {
        onError(error)
        return new Map<string, never>()
      })
      const { target, decision, misses } = choosePlace([first, ...others], prints, found, {
        ...knowledge,
        thresholds,
        nowMs: Date.now(),
      })
      const { kept: prefixes, session } = prints
      return { target, routing: { ...decision, misses, prefixes, session } }
    },
  }
}

/** Tokens are only estimated before a provider has counted them: what is nearly long enough is looked for too. */
const countingError = 0.5

/** Undefined where the price, or that of cached tokens, is unknown. */
function savingOf(
  prices: PriceList,
  { provider, model }: { provider: string; model: string },
  { prompt, cached }: { prompt: number; cached: number },
): number | undefined {
  const price = prices.priceOf(provider, model)
  if (price?.cacheRead === undefined) return undefined
  const asked = { inputTokens: prompt, outputTokens: 0 }
  const whole = estimateCost(price, asked)
  const reduced = estimateCost(price, { ...asked, cachedTokens: cached })
  return whole === undefined || reduced === undefined ? undefined : Math.max(0, whole - reduced)
}

import { createHash } from 'node:crypto'
import { charactersPerToken } from '#libs/providers'

/** How the beginnings of prompts are kept. */
export interface PromptCacheSettings {
  /** After their last use. */
  lifetimeMs: number
  /** Shorter ones are not kept; 1024 if it is left out. */
  minTokens?: number
}

/** What the journal tells of one API key's cache. */
export interface CacheTotals {
  calls: number
  /** Calls that found a part of their prompt. */
  hits: number
  inputTokens: number
  cachedTokens: number
}

/** Keeps what vendors keep of prompts: their beginnings up to the end of a message, each API key its own. */
export interface PromptCache {
  /** How many tokens of the prompt are there already; all of it is from now on. */
  read(key: string, model: string, pieces: readonly string[]): number
  /** By the last four characters of the key. */
  snapshot(): Record<string, CacheTotals>
  /** Forgets everything. */
  reset(): void
}

interface KeyCache {
  totals: CacheTotals
  /** Digests of beginnings, each with when it is dropped; the one used last stands last. */
  kept: Map<string, number>
}

/** Memory stays bounded: beyond this the beginnings used longest ago are dropped. */
const maxKept = 50_000

/** Without settings there is no cache. */
export function createPromptCache(settings: PromptCacheSettings | undefined): PromptCache | undefined {
  if (settings === undefined) return undefined
  const { lifetimeMs, minTokens = 1024 } = settings
  const caches = new Map<string, KeyCache>()

  function find(key: string): KeyCache {
    let cache = caches.get(key)
    if (cache === undefined) {
      cache = { totals: { calls: 0, hits: 0, inputTokens: 0, cachedTokens: 0 }, kept: new Map() }
      caches.set(key, cache)
    }
    return cache
  }

  return {
    read(key, model, pieces) {
      const { totals, kept } = find(key)
      const nowMs = Date.now()
      const running = createHash('sha256').update(model)
      let characters = 0
      let cachedTokens = 0
      for (const piece of pieces) {
        // The line break that joins it to the one before is counted as well.
        characters += piece.length + (characters === 0 ? 0 : 1)
        running.update(`\n${piece}`)
        const tokens = Math.ceil(characters / charactersPerToken)
        if (tokens < minTokens) continue
        const digest = running.copy().digest('base64url')
        if ((kept.get(digest) ?? 0) > nowMs) cachedTokens = tokens
        kept.delete(digest)
        kept.set(digest, nowMs + lifetimeMs)
      }
      dropOldest(kept)
      totals.calls += 1
      totals.hits += cachedTokens > 0 ? 1 : 0
      totals.inputTokens += Math.ceil(characters / charactersPerToken)
      totals.cachedTokens += cachedTokens
      return cachedTokens
    },
    snapshot: () =>
      Object.fromEntries([...caches].map(([key, { totals }]) => [key.slice(-4), { ...totals }])),
    reset: () => caches.clear(),
  }
}

function dropOldest(kept: Map<string, number>): void {
  for (const digest of kept.keys()) {
    if (kept.size <= maxKept) return
    kept.delete(digest)
  }
}

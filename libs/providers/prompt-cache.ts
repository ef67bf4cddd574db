import type { PromptCache } from './provider.ts'
import { findProviderSpec } from './registry.ts'

/** A configured provider, which may know more of its prompt cache than its type does. */
export interface CachingProvider {
  readonly name: string
  readonly type: string
  readonly promptCache?: { readonly [Fact in keyof PromptCache]?: PromptCache[Fact] | undefined } | undefined
}

/** What each of the providers keeps of prompts, by its name; one that keeps nothing is left out. */
export function readPromptCaches(providers: readonly CachingProvider[]): ReadonlyMap<string, PromptCache> {
  return new Map(
    providers.flatMap(({ name, type, promptCache: told }) => {
      const known = findProviderSpec(type)?.promptCache
      const lifetimeMs = told?.lifetimeMs ?? known?.lifetimeMs
      const minTokens = told?.minTokens ?? known?.minTokens ?? 0
      return lifetimeMs === undefined ? [] : [[name, { lifetimeMs, minTokens }]]
    }),
  )
}

/** How a request of a cache-aware model came to its target, as its run tells. */
export interface CacheDecision {
  provider: string
  /** The provider's name for the model. */
  model: string
  /** The name of the key whose cache is meant; null where the provider has no keys, and where no cache is preferred. */
  key: string | null
  /** `balance`: nothing worth it is known of any cache. */
  reason: 'prefix' | 'session' | 'balance'
  /** `strong` waits a little for the key, `mild` takes it only if it is free. */
  preference: 'strong' | 'mild' | 'none'
  /** How many tokens of the prompt the cache is thought to hold. */
  cachedTokens: number
  /** What that would save, times how likely it is; null where the price is unknown. */
  expectedSavingNanodollars: number | null
}

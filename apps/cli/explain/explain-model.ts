import type { Config, ModelConfig } from '#config'
import {
  createBreakerSettings,
  createRouter,
  idleTarget,
  type BreakerSettings,
  type Target,
  type TargetId,
  type TargetView,
} from '#libs/routing'
import type { RestingKey } from '#libs/keys'
import { typicalCost, type PriceList } from '#libs/prices'
import { readPromptCaches, type PromptCache } from '#libs/providers'
import { tellReason } from './tell-reason.ts'
import type { WatchedTargets } from './watch-targets.ts'

/** Where requests for a name go. */
export interface Explanation {
  model: string
  /** The virtual model; null for `provider/model`. */
  servedBy: string | null
  matched: 'name' | 'alias' | 'wildcard' | 'provider/model'
  strategy: string
  /** What a prompt cache must be expected to save for its key to be preferred; null for every other strategy. */
  cacheAffinity: ModelConfig['cacheAffinity'] | null
  /** Why nothing is known of how the targets fare; null when it is. */
  blindness: string | null
  /** As a request that comes now would try them. */
  targets: ExplainedTarget[]
  fallbacks: NonNullable<ModelConfig['fallbacks']>
  deadlineMs: number | null
  /** By class of error; empty where the gateway's own defaults hold. */
  retries: NonNullable<ModelConfig['retries']>
  retryDelayMs: number | null
}

/** One of the targets, and what is known of it. */
export interface ExplainedTarget extends Omit<TargetView, 'untilMs' | 'latencyMs' | 'sickKeys'> {
  provider: string
  model: string
  order: number
  weight: number
  reason: string
  retryInMs: number
  latencyMs: number | null
  limits: NonNullable<Target['limits']> | null
  /** In US dollars, of a million tokens in and a million out. */
  pricePerMillion: number | null
  keys: ExplainedKey[]
  /** What its provider keeps of prompts; null if nothing. */
  promptCache: PromptCache | null
  breaker: BreakerSettings
}

/** A key of a target's provider; without a reason to rest it is used. */
export interface ExplainedKey {
  name: string
  resting: RestingKey['reason'] | 'sick' | null
}

/** Throws `model_not_found` as the API does, with the nearest name. */
export function explainModel(
  config: Config,
  name: string,
  { health, problem, restingKeys, prices }: WatchedTargets & { prices: PriceList },
): Explanation {
  const { models, modelDefaults, providers, general } = config
  const look = (target: TargetId): TargetView => health?.look(target) ?? idleTarget
  const priceOf = ({ provider, model }: Target) => typicalCost(prices.priceOf(provider, model))
  const router = createRouter({
    models,
    providers: general.directTargets ? providers.map((provider) => provider.name) : [],
    // The same each time it is asked.
    random: () => 0,
    look,
    price: priceOf,
  })
  const toKeys = (provider: string, { sickKeys }: TargetView): ExplainedKey[] => {
    const configured = providers.find((each) => each.name === provider)?.keys ?? []
    return configured.map(({ name: key }) => {
      const rest = restingKeys.find((resting) => resting.provider === provider && resting.key === key)
      return { name: key, resting: rest?.reason ?? (sickKeys.includes(key) ? 'sick' : null) }
    })
  }
  const candidates = router.candidates(name)
  const caches = readPromptCaches(providers)
  const served = models.find((model) => model.name === router.servedBy(name))
  const strategy = served?.routing ?? 'load-balance'
  const settingsOf = createBreakerSettings(models, modelDefaults)
  return {
    model: name,
    servedBy: served?.name ?? null,
    matched: howMatched(name, served),
    strategy,
    cacheAffinity: served?.routing === 'cache-aware' ? served.cacheAffinity : null,
    blindness: problem ?? null,
    targets: candidates.map((target) => {
      const view = look(target)
      const nanodollars = priceOf(target)
      // Of a thousand tokens each it is in billionths, and here of a million in dollars.
      const price = nanodollars === undefined ? undefined : nanodollars / 1e6
      const sharing = candidates.filter((other) => {
        return (other.order ?? 1) === (target.order ?? 1) && look(other).untilMs === 0
      })
      const weights = sharing.reduce((sum, { weight }) => sum + weight, 0)
      return {
        ...toExplained(target, view),
        reason: tellReason({ strategy, target, view, price, weights }),
        pricePerMillion: price ?? null,
        keys: toKeys(target.provider, view),
        promptCache: caches.get(target.provider) ?? null,
        breaker: settingsOf(target),
      }
    }),
    fallbacks: { ...modelDefaults.fallbacks, ...served?.fallbacks },
    deadlineMs: served?.deadlineMs ?? modelDefaults.deadlineMs ?? null,
    retries: { ...modelDefaults.retries, ...served?.retries },
    retryDelayMs: served?.retryDelayMs ?? modelDefaults.retryDelayMs ?? null,
  }
}

function howMatched(name: string, served: ModelConfig | undefined): Explanation['matched'] {
  if (served === undefined) return 'provider/model'
  if (served.name === name) return 'name'
  return served.aliases.some((alias) => alias.name === name) ? 'alias' : 'wildcard'
}

function toExplained({ provider, model, weight, order = 1, limits }: Target, view: TargetView) {
  const { untilMs, latencyMs, sickKeys: _, ...rest } = view
  return {
    provider,
    model,
    order,
    weight,
    ...rest,
    retryInMs: Math.max(0, Math.ceil(untilMs === 0 ? 0 : untilMs - Date.now())),
    latencyMs: latencyMs ?? null,
    limits: limits ?? null,
  }
}

import type { CallTimeouts, Config, Fallbacks, ModelConfig } from '#config'
import { GatewayError, type ErrorCode } from '#libs/core'
import { getDialect } from '#libs/dialects'
import { typicalCost, type PriceList } from '#libs/prices'
import { findProviderSpec } from '#libs/providers'
import { createRouter, nextAfter, retriesAfter, type Health } from '#libs/routing'
import type { RunSpec } from '#libs/runs'
import { canAnswer } from './can-answer.ts'

/** A target that a run may go to. */
export interface Candidate {
  provider: string
  model: string
  /** The model in whose place it stands, if that is not the requested one. */
  fallback?: string
}

/** How a target is called. */
export interface CallPolicy {
  /** What differs from the provider's own. */
  timeouts: CallTimeouts | undefined
  /** Fields for JSON requests that lack them. */
  params: Readonly<Record<string, unknown>> | undefined
  /** How often to call it again after this error. */
  retriesAfter(code: ErrorCode): number
  /** The rest after the first call that failed; later ones are longer. */
  retryDelayMs: number
  /** When to make a second call beside the first, if that has not answered; absent: never. */
  hedgeAfterMs: number | undefined
  /** How long to wait for a key whose prompt cache is worth it. */
  cacheWaitMs: number
}

/** What the configuration says of where runs may go. */
export interface Routes {
  /** How long a run without a deadline may wait for capacity. */
  readonly maxWaitMs: number
  policyOf(spec: RunSpec): CallPolicy
  /**
   * The candidates for a run, tier by tier: its model's, then those of each fallback. Whoever cannot answer its kind of
   * request is not among them.
   */
  tiersOf(spec: RunSpec, fallbacks: readonly string[]): Candidate[][]
  /** The models to ask instead after this error; without one, when the run's model has no capacity. */
  fallbacksOf(spec: RunSpec, code: ErrorCode | undefined): readonly string[]
}

const defaultRetryDelayMs = 250

/** What the order of the candidates goes by. */
export interface RouteSources {
  health: Pick<Health, 'look'>
  prices: PriceList
}

export function createRoutes(config: Config, { health, prices }: RouteSources): Routes {
  const { modelDefaults } = config
  const router = createRouter({
    models: config.models,
    providers: config.general.directTargets ? config.providers.map(({ name }) => name) : [],
    look: (target) => health.look(target),
    // A run that has failed elsewhere is not the one to find out.
    takeProbe: () => false,
    price: ({ provider, model }) => typicalCost(prices.priceOf(provider, model)),
  })
  const models = new Map(config.models.map((model) => [model.name, model]))
  const providers = new Map(config.providers.map((provider) => [provider.name, provider]))
  const modelOf = (name: string): ModelConfig | undefined => models.get(router.servedBy(name) ?? '')

  function isAnswerable({ dialect, stream }: RunSpec, { provider, model }: Candidate): boolean {
    const settings = providers.get(provider)
    const spec = settings && findProviderSpec(settings.type)
    if (settings === undefined || spec === undefined) return false
    return canAnswer(spec, getDialect(dialect), { model, stream, options: settings.options })
  }

  return {
    maxWaitMs: config.general.maxWaitMs,

    policyOf({ model: requested, fallback, provider, target }) {
      const model = modelOf(fallback ?? requested)
      const settings = model?.targets.find((known) => {
        return known.provider === provider && (known.model === target || known.model.includes('*'))
      })
      const policies = [{ default: settings?.retries }, model?.retries, modelDefaults.retries]
      return {
        timeouts: mergeTimeouts([modelDefaults.timeouts, model?.timeouts, settings?.timeouts]),
        params: settings?.params,
        retriesAfter: (code) => retriesAfter(code, policies),
        retryDelayMs: model?.retryDelayMs ?? modelDefaults.retryDelayMs ?? defaultRetryDelayMs,
        hedgeAfterMs: model?.hedge?.delayMs,
        cacheWaitMs: model?.cacheAffinity.waitMs ?? 0,
      }
    },

    tiersOf(spec, fallbacks) {
      const own = toTiers(router, spec.model).map((tier) => tier.map(toCandidate))
      const others = fallbacks.flatMap((fallback) => {
        return toTiers(router, fallback).map((tier) => tier.map((t) => ({ ...toCandidate(t), fallback })))
      })
      return [...own, ...others].map((tier) => tier.filter((candidate) => isAnswerable(spec, candidate)))
    },

    fallbacksOf(spec, code) {
      if (spec.fallbacks !== undefined) return spec.fallbacks
      const own = modelOf(spec.model)?.fallbacks
      const listOf = (kind: keyof Fallbacks): readonly string[] | undefined => {
        return own?.[kind] ?? modelDefaults.fallbacks?.[kind]
      }
      const next = code === undefined ? 'target' : nextAfter(code)
      const special = { 'context-window': 'contextWindow', 'content-policy': 'contentPolicy' } as const
      const list = next === 'context-window' || next === 'content-policy' ? listOf(special[next]) : undefined
      return list ?? listOf('default') ?? []
    },
  }
}

type Router = ReturnType<typeof createRouter>
type Target = ReturnType<Router['choose']>

function toCandidate({ provider, model }: Target): Candidate {
  return { provider, model }
}

/** None for a name that nothing serves: the request was accepted under another configuration. */
function toTiers(router: Router, name: string): Target[][] {
  try {
    return [...Map.groupBy(router.candidates(name), ({ order = 1 }) => order).values()]
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'model_not_found') return []
    throw error
  }
}

/** Later ones win; undefined where nobody says anything. */
function mergeTimeouts(all: readonly (CallTimeouts | undefined)[]): CallTimeouts | undefined {
  const told = all.filter((timeouts) => timeouts !== undefined)
  if (told.length === 0) return undefined
  const last = (name: keyof CallTimeouts): number | undefined =>
    told.findLast((timeouts) => timeouts[name] !== undefined)?.[name]
  return { firstByteMs: last('firstByteMs'), idleMs: last('idleMs'), totalMs: last('totalMs') }
}

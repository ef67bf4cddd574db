import { closest, GatewayError } from '#libs/core'
import type { TargetId } from './health/breaker.ts'
import type { TargetView } from './health/health.ts'
import { findStrategy } from './strategies/strategies.ts'
import type { Knowledge } from './strategies/strategy.ts'
import { fillStars, sortWildcards } from './wildcard.ts'

/** One place where a run can go. */
export interface Target extends TargetId {
  readonly weight: number
  /** Targets of a higher order are for when those of the lower ones can't be called; 1 if it is absent. */
  readonly order?: number
  /** Over all processes. */
  readonly limits?: TargetLimits | undefined
}

/** What is absent has no limit. */
export interface TargetLimits {
  readonly requestsPerMinute?: number | undefined
  readonly tokensPerMinute?: number | undefined
  readonly parallel?: number | undefined
}

/** A name of the operator's own for one or more targets. */
export interface VirtualModel {
  /** May hold `*`, each for any text. */
  readonly name: string
  readonly targets: readonly Target[]
  /** The strategy among the targets of one order; without it, or by a word that is none, they are taken by weight. */
  readonly routing?: string
  readonly aliases?: readonly { readonly name: string; readonly hidden: boolean }[]
  /** Not among the router's names. */
  readonly hidden?: boolean
  /** Why it can't be asked for; it then needs no targets. */
  readonly unavailable?: string | undefined
}

/** Decides where a request goes, by the configuration and by what is known of how the targets fare. */
export interface Router {
  /** The first of the candidates. */
  choose(model: string): Target
  /**
   * The targets for a model's name, in the order in which to try them, each once; those that are ill come last. A name is looked for among the virtual models, then their aliases,
   * then the wildcards from the most specific on, and is read as `provider/model` last. Throws `model_not_found`
   * with the closest name there is.
   */
  candidates(model: string): readonly Target[]
  /** The name of the virtual model that serves a name; undefined for `provider/model` and what is unknown. */
  servedBy(model: string): string | undefined
  /** Names that can be asked for, virtual models and aliases only: what a provider offers is its own affair. */
  readonly names: readonly string[]
}

/** What there is to choose from; `random` is replaced where chance must repeat itself. */
export interface RouterOptions {
  models: readonly VirtualModel[]
  /** Names of the providers that can be asked for as `provider/model`. */
  providers: readonly string[]
  /** In [0, 1). */
  random?: () => number
  /** How a target fares; without it all are well and idle. */
  look?: (target: TargetId) => TargetView
  /** Whether a half-open target may get one request now; without it, it always may. */
  takeProbe?: (target: TargetId) => boolean
  /** What the strategy `lowest-cost` goes by, in whatever unit; undefined when that is unknown. */
  price?: (target: Target) => number | undefined
}

/** Names are compared as they are written. A virtual model hides a provider's model of the same name. */
export function createRouter({ models, providers, ...options }: RouterOptions): Router {
  const {
    random = Math.random,
    look = () => idleTarget,
    takeProbe = () => true,
    price = () => undefined,
  } = options
  const knowledge: Knowledge = { random, look, price }
  const byName = new Map(models.map((model) => [model.name, model]))
  const byAlias = new Map(
    models.flatMap((model) => model.aliases?.map(({ name }) => [name, model] as const) ?? []),
  )
  const wildcards = sortWildcards([...byName.keys()].filter((name) => name.includes('*')))
  const providerNames = new Set(providers)
  const names = models.flatMap((model) => {
    if (model.unavailable !== undefined) return []
    const aliases = model.aliases?.filter(({ hidden }) => !hidden).map(({ name }) => name) ?? []
    return model.hidden ? aliases : [model.name, ...aliases]
  })

  function find(name: string): { model: VirtualModel; texts: readonly string[] } | undefined {
    const model = byName.get(name) ?? byAlias.get(name)
    if (model !== undefined) return { model, texts: [] }
    for (const { pattern, match } of wildcards) {
      const texts = /\p{Cc}/u.test(name) ? undefined : match(name)
      const matched = byName.get(pattern)
      if (texts !== undefined && matched !== undefined) return { model: matched, texts }
    }
    return undefined
  }

  function candidates(name: string): readonly Target[] {
    const found = find(name)
    if (found?.model.unavailable !== undefined) throw unavailable(name, found.model.unavailable)
    if (found !== undefined) {
      const { targets, routing } = found.model
      const usable = targets.filter(({ weight }) => weight > 0)
      const filled =
        found.texts.length === 0
          ? usable
          : usable.map((target) => ({ ...target, model: fillStars(target.model, found.texts, name) }))
      return inOrder(filled, routing, knowledge, takeProbe)
    }
    const slash = name.indexOf('/')
    const provider = name.slice(0, slash)
    if (slash > 0 && slash < name.length - 1 && providerNames.has(provider) && !/\p{Cc}/u.test(name)) {
      return [{ provider, model: name.slice(slash + 1), weight: 1 }]
    }
    throw notFound(name, [...names, ...providers.map((known) => `${known}/…`)])
  }

  return {
    names,
    candidates,
    choose(name) {
      const [first] = candidates(name)
      if (first === undefined) throw new TypeError('A virtual model needs a target with a weight above 0.')
      return first
    },
    servedBy: (name) => find(name)?.model.name,
  }
}

/** A target of which nothing is known. */
export const idleTarget: TargetView = {
  circuit: 'closed',
  isResting: false,
  untilMs: 0,
  inFlight: 0,
  latencyMs: undefined,
  requestsThisMinute: 0,
  tokensThisMinute: 0,
  sickKeys: [],
}

/**
 * Order by order: by the strategy those that can be called, then those at their limits, the soonest first, as waiting
 * for one goes before the next order. Behind all orders those that are ill.
 */
function inOrder(
  targets: readonly Target[],
  routing: string | undefined,
  knowledge: Knowledge,
  takeProbe: (target: TargetId) => boolean,
): Target[] {
  const strategy = findStrategy(routing)
  const away = new Map<Target, TargetView>()
  for (const target of targets) {
    const view = knowledge.look(target)
    if (view.untilMs > 0) away.set(target, view)
  }
  if (away.size === 0) {
    return withProbes(
      byOrder(targets).flatMap((tier) => strategy(tier, knowledge)),
      knowledge,
      takeProbe,
    )
  }
  const soonestFirst = [...away].toSorted(([, left], [, right]) => left.untilMs - right.untilMs)
  const isIll = (target: Target): boolean => away.get(target)?.circuit === 'open'
  const ordered = byOrder(targets.filter((target) => !isIll(target))).flatMap((tier) => {
    const free = tier.filter((target) => !away.has(target))
    const limited = soonestFirst.filter(([target]) => tier.includes(target)).map(([target]) => target)
    return [...strategy(free, knowledge), ...limited]
  })
  const ill = soonestFirst.filter(([target]) => isIll(target)).map(([target]) => target)
  return [...withProbes(ordered, knowledge, takeProbe), ...ill]
}

/** Only the first is sure to be called, and only so many calls may try a half-open target. */
function withProbes(
  ordered: Target[],
  { look }: Knowledge,
  takeProbe: (target: TargetId) => boolean,
): Target[] {
  const first = ordered.findIndex((target) => look(target).circuit !== 'half-open' || takeProbe(target))
  return first <= 0 ? ordered : [...ordered.slice(first), ...ordered.slice(0, first)]
}

function byOrder(targets: readonly Target[]): (readonly Target[])[] {
  const orders = new Set(targets.map(({ order = 1 }) => order))
  if (orders.size <= 1) return [targets]
  const lowestFirst = [...orders].toSorted((left, right) => left - right)
  return lowestFirst.map((wanted) => targets.filter(({ order = 1 }) => order === wanted))
}

function unavailable(name: string, reason: string): GatewayError {
  return new GatewayError('model_not_found', `The model ${shown(name)} is not available: ${reason}`, {
    param: 'model',
  })
}

function notFound(name: string, known: readonly string[]): GatewayError {
  const meant = closest(name, known)
  const hint =
    meant === undefined ? ' Ask GET /v1/models for the names there are.' : ` Did you mean "${meant}"?`
  return new GatewayError('model_not_found', `The model ${shown(name)} does not exist.${hint}`, {
    param: 'model',
  })
}

function shown(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name)
}

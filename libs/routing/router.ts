import { closest, GatewayError } from '#libs/core'
import { fillStars, sortWildcards } from './wildcard.ts'

/** One place where a run can go. */
export interface Target {
  readonly provider: string
  /** The provider's name for the model. */
  readonly model: string
  readonly weight: number
  /** Targets of a higher order are for when those of the lower ones can't be called; 1 if it is absent. */
  readonly order?: number
}

/** A name of the operator's own for one or more targets. */
export interface VirtualModel {
  /** May hold `*`, each for any text. */
  readonly name: string
  readonly targets: readonly Target[]
  /** `priority` takes the targets of one order as they are listed; every other word takes them by weight. */
  readonly routing?: string
  readonly aliases?: readonly { readonly name: string; readonly hidden: boolean }[]
  /** Not among the router's names. */
  readonly hidden?: boolean
  /** Why it can't be asked for; it then needs no targets. */
  readonly unavailable?: string | undefined
}

/** Decides where a request goes. It knows the configuration alone, and not how its providers fare. */
export interface Router {
  /** The first of the candidates. */
  choose(model: string): Target
  /**
   * The targets for a model's name, in the order in which to try them, each once. A name is looked for among the
   * virtual models, then their aliases, then the wildcards from the most specific on, and is read as
   * `provider/model` last. Throws `model_not_found` with the closest name there is.
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
}

/** Names are compared as they are written. A virtual model hides a provider's model of the same name. */
export function createRouter({ models, providers, random = Math.random }: RouterOptions): Router {
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
      return inOrder(found.model, random).map((target) => {
        return { ...target, model: fillStars(target.model, found.texts, name) }
      })
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

/** Order by order; of one order those with the larger weight are more often in front. */
function inOrder({ targets, routing }: VirtualModel, random: () => number): Target[] {
  const tiers = Map.groupBy(
    targets.filter(({ weight }) => weight > 0),
    ({ order = 1 }) => order,
  )
  return [...tiers.entries()]
    .toSorted(([left], [right]) => left - right)
    .flatMap(([, tier]) => (routing === 'priority' ? tier : shuffle(tier, random)))
}

function shuffle(targets: readonly Target[], random: () => number): Target[] {
  const left = [...targets]
  return targets.flatMap(() => left.splice(left.length === 1 ? 0 : pick(left, random()), 1))
}

/** The place of the target at `point` in [0, 1) of a line on which each has its weight as its length. */
function pick(targets: readonly Target[], point: number): number {
  let rest = point * targets.reduce((sum, { weight }) => sum + weight, 0)
  const index = targets.findIndex(({ weight }) => (rest -= weight) < 0)
  return index === -1 ? targets.length - 1 : index
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

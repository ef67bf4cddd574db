import { closest, GatewayError } from '#libs/core'

/** One place where a run can go. */
export interface Target {
  readonly provider: string
  /** The provider's name for the model. */
  readonly model: string
  readonly weight: number
}

/** A name of the operator's own for one or more targets. */
export interface VirtualModel {
  readonly name: string
  readonly targets: readonly Target[]
}

/** Decides where a request goes. It knows the configuration alone, and not how its providers fare. */
export interface Router {
  /**
   * The target for a model's name: a virtual model's by weight, or `provider/model` as it says. Throws
   * `model_not_found` with the closest name there is.
   */
  choose(model: string): Target
  /** Names that can be asked for, virtual models only: what a provider offers is its own affair. */
  readonly names: readonly string[]
}

/** What there is to choose from; `random` is replaced where chance must repeat itself. */
export interface RouterOptions {
  models: readonly VirtualModel[]
  /** Names of the providers. */
  providers: readonly string[]
  /** In [0, 1). */
  random?: () => number
}

/** Names are compared as they are written. A virtual model hides a provider's model of the same name. */
export function createRouter({ models, providers, random = Math.random }: RouterOptions): Router {
  const byName = new Map(models.map((model) => [model.name, model]))
  const providerNames = new Set(providers)
  const names = [...byName.keys()]
  return {
    names,
    choose(name) {
      const model = byName.get(name)
      if (model !== undefined) return chooseByWeight(model.targets, random())
      const slash = name.indexOf('/')
      const provider = name.slice(0, slash)
      if (slash > 0 && slash < name.length - 1 && providerNames.has(provider) && !/\p{Cc}/u.test(name)) {
        return { provider, model: name.slice(slash + 1), weight: 1 }
      }
      throw notFound(name, [...names, ...providers.map((known) => `${known}/…`)])
    },
  }
}

/** `point` in [0, 1) of a line on which each target has its weight as its length. */
function chooseByWeight(targets: readonly Target[], point: number): Target {
  let left = point * targets.reduce((sum, { weight }) => sum + weight, 0)
  for (const target of targets) {
    left -= target.weight
    if (left < 0) return target
  }
  const last = targets.findLast(({ weight }) => weight > 0)
  if (last === undefined) throw new TypeError('A virtual model needs a target with a weight above 0.')
  return last
}

function notFound(name: string, known: readonly string[]): GatewayError {
  const shown = JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name)
  const meant = closest(name, known)
  const hint =
    meant === undefined ? ' Ask GET /v1/models for the names there are.' : ` Did you mean "${meant}"?`
  return new GatewayError('model_not_found', `The model ${shown} does not exist.${hint}`, { param: 'model' })
}

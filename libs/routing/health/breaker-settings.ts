import { defaultBreaker, type BreakerSettings, type FailureLimits, type TargetId } from './breaker.ts'
import { nameOf } from './subject.ts'

/** Several stars and a long name take long, and the name comes from the client. */
const longestName = 200

/** What a model, or the defaults of all models, may say of when its targets rest. */
export interface BreakerChoice {
  readonly breaker?: Partial<BreakerSettings> | undefined
  readonly cooldown?:
    | { readonly afterFailures?: FailureLimits | undefined; readonly durationMs?: number | undefined }
    | undefined
}

/** A model with its targets, in whose model names a `*` stands for any text. */
export interface BreakerModel extends BreakerChoice {
  readonly targets: readonly (TargetId & { readonly cooldownMs?: number | undefined })[]
}

/**
 * The settings of each target. One that several models have is judged by the first of them; one that none has, by the
 * defaults. A cooldown says more than the breaker: how long a target rests, without growth.
 */
export function createBreakerSettings(
  models: readonly BreakerModel[],
  defaults: BreakerChoice,
): (target: TargetId) => BreakerSettings {
  const exact = new Map<string, BreakerSettings>()
  const patterns: { provider: string; pattern: RegExp; settings: BreakerSettings }[] = []
  for (const model of models) {
    for (const target of model.targets) {
      const settings = resolve(defaults, model, target.cooldownMs)
      if (target.model.includes('*')) {
        patterns.push({ provider: target.provider, pattern: toPattern(target.model), settings })
      } else if (!exact.has(nameOf(target))) exact.set(nameOf(target), settings)
    }
  }
  const others = resolve(defaults, {})
  return (target) => {
    const found = exact.get(nameOf(target))
    if (found !== undefined) return found
    if (target.model.length > longestName) return others
    const matches = patterns.find(
      ({ provider, pattern }) => provider === target.provider && pattern.test(target.model),
    )
    return matches?.settings ?? others
  }
}

function resolve(defaults: BreakerChoice, model: BreakerChoice, cooldownMs?: number): BreakerSettings {
  const cooldown = { ...defaults.cooldown, ...model.cooldown }
  const restMs = cooldownMs ?? cooldown.durationMs
  return {
    ...defaultBreaker,
    ...defaults.breaker,
    ...model.breaker,
    ...(restMs !== undefined && { openMs: restMs, maxOpenMs: restMs }),
    ...(cooldown.afterFailures !== undefined && { afterFailures: cooldown.afterFailures }),
  }
}

function toPattern(model: string): RegExp {
  const parts = model.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 's')
}

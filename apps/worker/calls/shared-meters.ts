import type { Config } from '#config'
import { matchesName } from '#libs/core'
import { toMeter, type Limits, type Meter } from '#libs/keys'

/** What limits the calls to a provider's model beside the keys: its target's limits, and the limit of everything. */
export type SharedMeters = (provider: string, model: string) => readonly Meter[]

/**
 * Reads the limits of targets. A target that several virtual models name is one, and the tightest of its limits hold;
 * what a target with a `*` serves counts together.
 */
export function createSharedMeters({ models, general }: Pick<Config, 'models' | 'general'>): SharedMeters {
  const limited = models.flatMap(({ targets }) => targets.filter(({ limits }) => limits !== undefined))
  const byName = Map.groupBy(limited, ({ provider, model }) => `${provider}/${model}`)
  const meters = [...byName].flatMap(([name, targets]) => {
    const [first] = targets
    const meter = toMeter(`target:${name}`, tightest(targets.map(({ limits = {} }) => limits)))
    return first === undefined || meter === undefined ? [] : [{ ...first, meter }]
  })
  const everything = toMeter('general', { parallel: general.parallel })
  const always = everything === undefined ? [] : [everything]
  if (meters.length === 0) return () => always
  return (provider, model) => [
    ...meters.flatMap((each) => {
      return each.provider === provider && matchesName(model, each.model) ? [each.meter] : []
    }),
    ...always,
  ]
}

function tightest(all: readonly Limits[]): Limits {
  const least = (kind: keyof Limits): number | undefined => {
    const limits = all.flatMap((limit) => limit[kind] ?? [])
    return limits.length === 0 ? undefined : Math.min(...limits)
  }
  return {
    requestsPerMinute: least('requestsPerMinute'),
    tokensPerMinute: least('tokensPerMinute'),
    parallel: least('parallel'),
  }
}

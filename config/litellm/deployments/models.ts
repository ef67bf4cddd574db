import { isTree } from '../../environment.ts'
import type { Tree } from '../../environment.ts'
import type { Deployment, Group } from './deployments.ts'
import { compact } from '../import-context.ts'
import type { ImportContext } from '../import-context.ts'
import type { Reliability } from '../settings/reliability.ts'

/** Our virtual models for LiteLLM's groups, with their aliases. */
export function readModels(
  context: ImportContext,
  groups: ReadonlyMap<string, Group>,
  reliability: Reliability,
): Tree[] {
  const aliases = readAliases(context, groups)
  return [...groups.values()].map((group, index) => {
    context.origins.set(`models[${index}]`, group.path)
    const { name, deployments, refusal } = group
    const shared = { name, aliases: aliases.get(name) }
    // The name stays taken, so that no wildcard sends elsewhere what was meant for this provider.
    if (deployments.length === 0)
      return compact({ ...shared, unavailable: `its ${refusal ?? 'entry is not valid'}` }) ?? {}
    const isChoice = deployments.length > 1 && reliability.strategy !== 'load-balance'
    return (
      compact({
        ...shared,
        routing: isChoice ? reliability.strategy : undefined,
        targets: toTargets(deployments),
        ...reliability.ofModel(name),
      }) ?? {}
    )
  })
}

/** The first entry decides what the weights are, as in LiteLLM's shuffle. */
function toTargets(deployments: readonly Deployment[]): Tree[] {
  const [first] = deployments
  const measure = (['weight', 'rpm', 'tpm'] as const).find((name) => first?.weights[name] !== undefined)
  if (measure === undefined || deployments.length === 1) return deployments.map(({ target }) => target)
  const weights = toWholeNumbers(deployments.map(({ weights: all }) => Math.max(0, all[measure] ?? 0)))
  return deployments.map(({ target }, index) => ({ ...target, weight: weights[index] ?? 0 }))
}

/** The same shares in whole numbers, as ours are. */
function toWholeNumbers(weights: readonly number[]): readonly number[] {
  const most = Math.max(...weights)
  if (most === 0) return weights.map(() => 1)
  const isFine = most <= 1_000_000 && weights.every((weight) => Number.isInteger(weight))
  return isFine ? weights : weights.map((weight) => Math.round((weight / most) * 10_000))
}

function readAliases(context: ImportContext, groups: ReadonlyMap<string, Group>): Map<string, unknown[]> {
  const { router_settings: router } = context.tree
  const section = isTree(router) && isTree(router.model_group_alias) ? router.model_group_alias : {}
  const aliases = new Map<string, unknown[]>()
  for (const [alias, value] of Object.entries(section)) {
    const path = ['router_settings', 'model_group_alias', alias]
    const name = isTree(value) ? value.model : value
    if (typeof name !== 'string' || !groups.has(name)) {
      context.report('ignored', path, 'there is no entry of that model_name')
    } else if (groups.has(alias)) {
      context.report('ignored', path, 'an entry has that name, and is found first')
    } else {
      const isHidden = isTree(value) && value.hidden === true
      aliases.set(name, [...(aliases.get(name) ?? []), isHidden ? { name: alias, hidden: true } : alias])
      context.report('honoured', path, `is an alias of ${name}`)
    }
  }
  return aliases
}

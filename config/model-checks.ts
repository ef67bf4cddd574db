import { closest } from '#libs/core'
import { isTree, toList } from './environment.ts'
import type { Tree } from './environment.ts'
import { formatPath } from './problems.ts'
import type { Finding, Path } from './problems.ts'

/** Whether the names that models have, and the names that others use for them, fit together. */
export function checkModelNames(tree: Tree): Finding[] {
  const models = (toList(tree.models) ?? []).map((model) => (isTree(model) ? model : {}))
  const names = new Set(models.flatMap(({ name }) => (typeof name === 'string' ? [name] : [])))
  const aliases = models.flatMap((model, index) => aliasesOf(model, ['models', index, 'aliases']))
  const isOpen = [...names].some((name) => name.includes('*'))
  const known = new Set([...names, ...aliases.map(({ alias }) => alias)])
  const used = [tree.model_defaults, ...models].flatMap((holder, index) => {
    return fallbacksOf(holder, index === 0 ? ['model_defaults'] : ['models', index - 1])
  })
  return [
    ...checkAliases(aliases, names),
    ...used.flatMap(({ fallback, path }) => {
      // A wildcard, or a provider in front, may serve a name that is not in the file.
      if (known.has(fallback) || isOpen || fallback.includes('/')) return []
      const meant = closest(fallback, known)
      const hint = meant === undefined ? '' : `; did you mean "${meant}"?`
      return [{ path, message: `must be the name or an alias of a model${hint}` }]
    }),
  ]
}

/** A price is one of a provider's model, whatever the name by which it is asked for. */
export function findOtherPrices(tree: Tree): Finding[] {
  const first = new Map<string, { prices: string; path: Path }>()
  return (toList(tree.models) ?? []).flatMap((model, modelIndex) => {
    const targets = isTree(model) ? (toList(model.targets) ?? []) : []
    return targets.flatMap((target, index): Finding[] => {
      if (!isTree(target) || (target.prices === undefined && target.base_model === undefined)) return []
      const path = ['models', modelIndex, 'targets', index]
      const named = JSON.stringify([target.provider, target.model])
      const prices = JSON.stringify([target.prices, target.base_model])
      const before = first.get(named)
      if (before === undefined) first.set(named, { prices, path })
      if (before === undefined || before.prices === prices) return []
      const key = target.prices === undefined ? 'base_model' : 'prices'
      const message = `is not that of ${formatPath(before.path)}, the same model, whose price counts`
      return [{ path: [...path, key], message, atKey: true }]
    })
  })
}

function checkAliases(
  aliases: readonly { alias: string; path: Path }[],
  names: ReadonlySet<string>,
): Finding[] {
  const taken = new Set([...names].map((name) => name.toLowerCase()))
  return aliases.flatMap(({ alias, path }) => {
    if (alias.includes('*')) {
      return [{ path, message: 'cannot hold a *; give a model of its own a name with it' }]
    }
    const isTaken = taken.has(alias.toLowerCase())
    taken.add(alias.toLowerCase())
    return isTaken ? [{ path, message: 'is the name or an alias of a model already' }] : []
  })
}

function aliasesOf(model: Tree, path: Path): { alias: string; path: Path }[] {
  return (toList(model.aliases) ?? []).flatMap((item, index) => {
    const alias = isTree(item) ? item.name : item
    return typeof alias === 'string' ? [{ alias, path: [...path, index] }] : []
  })
}

function fallbacksOf(holder: unknown, path: Path): { fallback: string; path: Path }[] {
  if (!isTree(holder) || !isTree(holder.fallbacks)) return []
  return Object.entries(holder.fallbacks).flatMap(([kind, list]) => {
    return (toList(list) ?? []).flatMap((fallback, index) => {
      return typeof fallback === 'string' ? [{ fallback, path: [...path, 'fallbacks', kind, index] }] : []
    })
  })
}

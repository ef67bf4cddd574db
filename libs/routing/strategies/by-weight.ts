import type { Target } from '../router.ts'
import type { Strategy } from './strategy.ts'

/** Those with the larger weight are more often in front. */
export const byWeight: Strategy = (targets, { random }) => {
  const left = [...targets]
  return targets.flatMap(() => left.splice(left.length === 1 ? 0 : pick(left, random()), 1))
}

/** The place of the target at `point` in [0, 1) of a line on which each has its weight as its length. */
function pick(targets: readonly Target[], point: number): number {
  let rest = point * targets.reduce((sum, { weight }) => sum + weight, 0)
  const index = targets.findIndex(({ weight }) => (rest -= weight) < 0)
  return index === -1 ? targets.length - 1 : index
}

/** The lowest first; those of the same measure by weight. */
export function byMeasure(
  targets: readonly Target[],
  knowledge: Parameters<Strategy>[1],
  measure: (target: Target) => number,
): Target[] {
  return byWeight(targets, knowledge)
    .map((target) => ({ target, measured: measure(target) }))
    .toSorted((left, right) => left.measured - right.measured || 0)
    .map(({ target }) => target)
}

import type { TargetView } from '../health/health.ts'
import type { Target } from '../router.ts'

/** What a strategy goes by. */
export interface Knowledge {
  /** In [0, 1). */
  random: () => number
  look: (target: Target) => TargetView
  /** In a unit that is the same for all; undefined when it is unknown. */
  price: (target: Target) => number | undefined
}

/** Puts targets that can all be called in the order in which to try them. It changes nothing. */
export type Strategy = (targets: readonly Target[], knowledge: Knowledge) => Target[]

import type { TargetView } from '../health/health.ts'
import type { Target } from '../router.ts'

/** What a strategy goes by. */
export interface Knowledge {
  /** In [0, 1). */
  random: () => number
  look: (target: Target) => TargetView
  /** What a million tokens in and a million out cost together; undefined when that is unknown. */
  price: (target: Target) => number | undefined
}

/** Puts targets that can all be called in the order in which to try them. It changes nothing. */
export type Strategy = (targets: readonly Target[], knowledge: Knowledge) => Target[]

import { byMeasure, byWeight } from './by-weight.ts'
import { lowestLatency } from './lowest-latency.ts'
import type { Strategy } from './strategy.ts'
import { usageBased } from './usage-based.ts'

const leastBusy: Strategy = (targets, knowledge) => {
  return byMeasure(targets, knowledge, (target) => knowledge.look(target).inFlight)
}

/** What costs nobody knows how much comes last. */
const lowestCost: Strategy = (targets, knowledge) => {
  return byMeasure(targets, knowledge, (target) => knowledge.price(target) ?? Number.POSITIVE_INFINITY)
}

const strategies: Readonly<Record<string, Strategy>> = {
  'load-balance': byWeight,
  priority: (targets) => [...targets],
  'least-busy': leastBusy,
  'lowest-latency': lowestLatency,
  'lowest-cost': lowestCost,
  'usage-based': usageBased,
  // Where nothing is known of the prompt in any cache.
  'cache-aware': leastBusy,
}

/** The strategy of a name, and that of weights for a name that is none. */
export function findStrategy(name = 'load-balance'): Strategy {
  return strategies[name] ?? byWeight
}

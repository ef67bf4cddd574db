import { byMeasure } from './by-weight.ts'
import type { Strategy } from './strategy.ts'

/** Who is slower than the quickest by less than this shares the calls with it, lest all go to one. */
const buffer = 0.2

/**
 * The quickest to the first byte, and those within the buffer beside it by weight. A target of unknown latency is
 * taken for quick, so that it becomes known.
 */
export const lowestLatency: Strategy = (targets, knowledge) => {
  const known = targets.flatMap((target) => knowledge.look(target).latencyMs ?? [])
  const quick = Math.min(...known) * (1 + buffer)
  return byMeasure(targets, knowledge, (target) => {
    const { latencyMs, circuit } = knowledge.look(target)
    // What a target took when it was ill must not keep it from being tried.
    if (latencyMs === undefined || circuit !== 'closed') return 0
    return latencyMs <= quick ? 0 : latencyMs
  })
}

import type { Target } from '../router.ts'
import { byMeasure } from './by-weight.ts'
import type { Knowledge, Strategy } from './strategy.ts'

/**
 * Where all targets have limits, the one that has used the smallest share of its own this minute; else the one with
 * the fewest tokens, and of these the one with the fewest requests. Who is at its limit comes last.
 */
export const usageBased: Strategy = (targets, knowledge) => {
  const shares = new Map(targets.map((target) => [target, shareOf(target, knowledge)]))
  const haveLimits = [...shares.values()].every((share) => share !== undefined)
  return byMeasure(targets, knowledge, (target) => {
    const share = shares.get(target)
    if (share !== undefined && share >= 1) return Number.POSITIVE_INFINITY
    if (haveLimits) return share ?? 0
    const { tokensThisMinute, requestsThisMinute } = knowledge.look(target)
    return tokensThisMinute + requestsThisMinute / 1e6
  })
}

/** The part of its limits that is used up; undefined for one without. */
function shareOf(target: Target, { look }: Knowledge): number | undefined {
  const { requestsPerMinute, tokensPerMinute, parallel } = target.limits ?? {}
  const { requestsThisMinute, tokensThisMinute, inFlight } = look(target)
  const shares = [
    ...(requestsPerMinute === undefined ? [] : [requestsThisMinute / requestsPerMinute]),
    ...(tokensPerMinute === undefined ? [] : [tokensThisMinute / tokensPerMinute]),
    ...(parallel === undefined ? [] : [inFlight / parallel]),
  ]
  return shares.length === 0 ? undefined : Math.max(...shares)
}

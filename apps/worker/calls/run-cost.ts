import type { Cost, ErrorCode, Usage } from '#libs/core'
import { getDialect } from '#libs/dialects'
import { costOf, type PriceList } from '#libs/prices'
import type { Attempt, RunEnd, RunSpec } from '#libs/runs'

/** What nobody can tell: it may have been paid for. */
export const unknownCost: Cost = { nanodollars: null, source: null }

/** What was used at a provider's model, in money. */
export function costOfUsage(
  prices: PriceList,
  { provider, model }: { provider: string; model: string },
  usage: Usage | undefined,
): Cost {
  const price = prices.priceOf(provider, model)
  const nanodollars = price === undefined || usage === undefined ? undefined : costOf(price, usage)
  return price === undefined || nanodollars === undefined
    ? unknownCost
    : { nanodollars, source: price.source }
}

/** Writes the cost into what tells the usage, if the run was asked for it; gives all else as it is. */
export type CostTeller = (told: string, usage: Usage | undefined) => string

export function createCostTeller(prices: PriceList, spec: RunSpec): CostTeller {
  const dialect = getDialect(spec.dialect)
  if (spec.includeCost !== true) return (told) => told
  return (told, usage) => {
    if (usage === undefined || dialect.tellCost === undefined) return told
    const { nanodollars } = costOfUsage(prices, { provider: spec.provider, model: spec.target }, usage)
    return dialect.tellCost(told, nanodollars === null ? null : nanodollars / 1e9)
  }
}

/**
 * How calls end for which a provider takes nothing: it was not reached, or refused before it began. Whatever else went
 * wrong may have been paid for, with nothing that tells how much.
 */
const unpaid: ReadonlySet<string> = new Set<ErrorCode>([
  'invalid_request',
  'context_length_exceeded',
  'content_policy',
  'insufficient_quota',
  'permission_denied',
  'model_not_found',
  'request_too_large',
  'unsupported_media_type',
  'rate_limit_exceeded',
  'overloaded',
  'upstream_error',
  'upstream_unreachable',
  'upstream_auth_failed',
])

/**
 * The attempts with what each cost, and what all of them cost together; it is left out where nothing can have been
 * paid for. `hasBegun` says that the last one had said something.
 */
export function tellCosts(
  prices: PriceList,
  spec: RunSpec,
  told: { attempts: readonly Attempt[]; usage: Usage | undefined; hasBegun: boolean },
): Pick<RunEnd, 'attempts' | 'cost'> {
  const { attempts, usage, hasBegun } = told
  // Who was never called may speak a dialect that nobody knows here, and is to end all the same.
  if (attempts.length === 0 || getDialect(spec.dialect).isFree === true) return { attempts: [...attempts] }
  const costs = attempts.map((attempt, index) => {
    if (attempt.outcome === 'ok') return costOfUsage(prices, attempt, usage)
    const isUnpaid = unpaid.has(attempt.outcome) && !(hasBegun && index === attempts.length - 1)
    return isUnpaid ? undefined : unknownCost
  })
  const paid = costs.filter((cost) => cost !== undefined)
  return {
    attempts: attempts.map((attempt, index) => {
      const cost = costs[index]
      return cost === undefined ? attempt : { ...attempt, cost }
    }),
    ...(paid.length > 0 && { cost: paid.reduce(add) }),
  }
}

/** With one that nobody knows the sum is not known either. */
function add(left: Cost, right: Cost): Cost {
  if (left.nanodollars === null || right.nanodollars === null) return unknownCost
  return { nanodollars: left.nanodollars + right.nanodollars, source: right.source }
}

import type { Usage } from '#libs/core'
import type { Price, Rates } from './price.ts'

/**
 * Nanodollars for what was used; undefined if the price lacks something that was used, or the usage lacks something
 * that costs. Exact to the last nanodollar, to which it is rounded once, at its end.
 */
export function costOf(price: Price, usage: Usage, { isBatch = false } = {}): number | undefined {
  const rates = isBatch ? price.batch : ratesFor(price, usage.inputTokens ?? 0)
  if (rates === undefined) return undefined
  const input = costOfInput(rates, usage)
  const output = costOfOutput(rates, usage)
  if (input === undefined || output === undefined) return undefined
  const nanodollars = Math.round((input + output) / 1000) + (price.request ?? 0)
  // A count that no request can have would make a sum that is no longer exact.
  return Number.isSafeInteger(nanodollars) && input + output <= Number.MAX_SAFE_INTEGER
    ? nanodollars
    : undefined
}

/** Nanodollars that a request would cost of which this much is known beforehand; undefined as with {@link costOf}. */
export function estimateCost(
  price: Price,
  expected: { inputTokens: number; outputTokens: number; cachedTokens?: number },
): number | undefined {
  const { inputTokens, outputTokens, cachedTokens = 0 } = expected
  return costOf(price, { inputTokens, outputTokens, cacheReadTokens: cachedTokens })
}

/** Nanodollars for a thousand tokens in and a thousand out, to compare models by; undefined as with {@link costOf}. */
export function typicalCost(price: Price | undefined): number | undefined {
  return price && estimateCost(price, { inputTokens: 1000, outputTokens: 1000 })
}

function ratesFor(price: Price, inputTokens: number): Rates {
  return price.tiers?.findLast(({ above }) => inputTokens > above)?.rates ?? price
}

function costOfInput(rates: Rates, usage: Usage): number | undefined {
  const { inputTokens, cacheReadTokens = 0, cacheWriteTokens = 0, cacheWrite1hTokens = 0 } = usage
  const { inputAudioTokens = 0, inputImageTokens = 0 } = usage
  // An hour costs more than minutes do, so the price for minutes is not the one.
  const hour = rates.cacheWrite1h ?? (rates.cacheWrite === undefined ? rates.input : undefined)
  return sum(inputTokens, rates.input, [
    [cacheReadTokens, rates.cacheRead ?? rates.input],
    [Math.max(0, cacheWriteTokens - cacheWrite1hTokens), rates.cacheWrite ?? rates.input],
    [cacheWrite1hTokens, hour],
    [inputAudioTokens, rates.inputAudio ?? rates.input],
    [inputImageTokens, rates.inputImage ?? rates.input],
  ])
}

function costOfOutput(rates: Rates, usage: Usage): number | undefined {
  const { outputTokens, reasoningTokens = 0, outputAudioTokens = 0, outputImageTokens = 0 } = usage
  return sum(outputTokens, rates.output, [
    [reasoningTokens, rates.reasoning ?? rates.output],
    [outputAudioTokens, rates.outputAudio ?? rates.output],
    [outputImageTokens, rates.outputImage ?? rates.output],
  ])
}

/** Picodollars for all tokens of one direction; those that are of no kind cost `rate`. */
function sum(
  all: number | undefined,
  rate: number | undefined,
  kinds: readonly (readonly [tokens: number, rate: number | undefined])[],
): number | undefined {
  // What was not counted costs nothing where nothing is asked for it, as the output of embeddings.
  if (all === undefined) return rate === undefined || rate === 0 ? 0 : undefined
  const counted = kinds.reduce((before, [tokens]) => before + tokens, 0)
  let total = 0
  for (const [tokens, each] of [...kinds, [Math.max(0, all - counted), rate] as const]) {
    if (tokens === 0) continue
    if (each === undefined) return undefined
    total += tokens * each
  }
  return total
}

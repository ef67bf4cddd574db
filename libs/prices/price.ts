/**
 * What one token costs, by its kind, in picodollars (millionths of a millionth of a US dollar), which are also the
 * micro-dollars for a million tokens. Whole numbers: ten million tokens of the dearest model stay below 2^53, and so no
 * sum is rounded before its end.
 *
 * A kind without a rate costs what the tokens cost that it is counted among, input or output.
 */
export interface Rates {
  readonly input?: number | undefined
  readonly output?: number | undefined
  readonly cacheRead?: number | undefined
  /** Written to be kept for minutes. */
  readonly cacheWrite?: number | undefined
  /** Written to be kept for an hour; dearer than for minutes, so it is unknown where only that price is known. */
  readonly cacheWrite1h?: number | undefined
  /** Where it is another than that of output, among which reasoning is counted. */
  readonly reasoning?: number | undefined
  readonly inputAudio?: number | undefined
  readonly inputImage?: number | undefined
  readonly outputAudio?: number | undefined
  readonly outputImage?: number | undefined
}

/** What a model costs at a provider. */
export interface ModelPrice extends Rates {
  /** By ascending bound. Above a bound the whole request costs these rates, and not only what is above it. */
  readonly tiers?: readonly Tier[] | undefined
  /** What the provider takes for a request that is part of a batch. */
  readonly batch?: Rates | undefined
  /** For each request beside its tokens, in nanodollars. */
  readonly request?: number | undefined
}

/** The rates of long requests, all of them: what is the same as below the bound is repeated. */
export interface Tier {
  /** A request belongs here whose input has more tokens, cached ones included. */
  readonly above: number
  readonly rates: Rates
}

/** A price, and who says so. */
export interface Price extends ModelPrice {
  readonly source: string
  /** The day on which it was true, `2026-09-23`; null if nobody says. */
  readonly date: string | null
}

/** Prices that an operator has written down. They beat those of the table. */
export interface PriceFile {
  readonly source: string
  readonly date: string | null
  readonly entries: readonly PriceEntry[]
}

/** The price of one model in a file. */
export interface PriceEntry {
  /** The name or the type of a provider; absent for every provider. */
  readonly provider?: string | undefined
  /** The provider's name for the model, or `*` for all that are not named. */
  readonly model: string
  readonly price: ModelPrice
}

/** The names of the rates. */
export const rateNames = [
  'input',
  'output',
  'cacheRead',
  'cacheWrite',
  'cacheWrite1h',
  'reasoning',
  'inputAudio',
  'inputImage',
  'outputAudio',
  'outputImage',
] as const satisfies readonly (keyof Rates)[]

/** One of {@link rateNames}. */
export type RateName = (typeof rateNames)[number]

/** Picodollars for a token, of dollars for a million tokens. */
export function toRate(dollarsPerMillion: number): number {
  return Math.round(dollarsPerMillion * 1e6)
}

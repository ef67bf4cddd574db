import { rateNames, toRate, type PriceEntry, type RateName, type Rates } from '#libs/prices'
import { z } from 'zod'
import type { Finding } from '../problems.ts'
import { parseAs } from '../schema.ts'
import { number, section, text } from '../schema-parts.ts'

/** Our own format of prices, in US dollars for a million tokens. */

const dollars = z.number({ error: 'must be a number of US dollars, 0 or more' }).min(0).optional()
const rates = {
  input_per_million: dollars,
  output_per_million: dollars,
  cache_read_per_million: dollars,
  cache_write_per_million: dollars,
  cache_write_1h_per_million: dollars,
  reasoning_per_million: dollars,
  input_audio_per_million: dollars,
  input_image_per_million: dollars,
  output_audio_per_million: dollars,
  output_image_per_million: dollars,
}
const tier = section({ above_input_tokens: number(1, 1_000_000_000), ...rates })
const batch = section(rates)
const entry = section({
  provider: text.optional(),
  model: text,
  ...rates,
  per_request: dollars,
  tiers: z.array(tier).optional(),
  batch: batch.optional(),
})
const file = section({
  source: text.optional(),
  date: z
    .string()
    .regex(/^\d{4}-\d\d-\d\d$/, 'must be a day such as 2026-10-01')
    .optional(),
  prices: z.array(entry).min(1),
})

/** The settings whose values may be shown with their line: all of them. */
export const nativePriceKeys: ReadonlySet<string> = new Set(
  [tier, batch, entry, file].flatMap((each) => Object.keys(each.in.shape)),
)

/** A file as it is read. */
export interface NativePrices {
  entries: PriceEntry[]
  date: string | undefined
  source: string | undefined
}

/** What the file says of each model, or what is wrong with it. */
export function readNativePrices(tree: unknown): NativePrices | { findings: Finding[] } {
  const parsed = parseAs(file, tree)
  if ('findings' in parsed) return parsed
  const { prices, date, source } = parsed.settings
  return { entries: prices.map(toEntry), date, source }
}

function toEntry({
  provider,
  model,
  perRequest,
  tiers,
  batch: inBatch,
  ...told
}: z.output<typeof entry>): PriceEntry {
  const base = toRates(told)
  return {
    provider,
    model,
    price: {
      ...base,
      ...(perRequest !== undefined && { request: Math.round(perRequest * 1e9) }),
      ...(tiers !== undefined && {
        // What is the same as below the bound need not be written again.
        tiers: tiers
          .map(({ aboveInputTokens, ...above }) => ({
            above: aboveInputTokens,
            rates: { ...base, ...toRates(above) },
          }))
          .toSorted((left, right) => left.above - right.above),
      }),
      ...(inBatch !== undefined && { batch: { ...base, ...toRates(inBatch) } }),
    },
  }
}

function toRates(told: Readonly<Partial<Record<`${RateName}PerMillion`, number | undefined>>>): Rates {
  const set = rateNames.flatMap((name) => {
    const price = told[`${name}PerMillion`]
    return price === undefined ? [] : [[name, toRate(price)]]
  })
  return Object.fromEntries(set) as Rates
}

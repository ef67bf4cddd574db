import { rateNames, toRate, type ModelPrice, type Price, type RateName, type Rates } from './price.ts'

/**
 * Pydantic's table of prices, which comes with the package and is never fetched. The two are of the version that
 * package.json pins: whoever raises that changes them.
 */
export const tableVersion = '0.1.8'
/** The day on which this version of the table was published. */
export const tableDate = '2026-09-23'

/** Finds the price that a model has at a provider, in the table's words for both, at a time. */
export type PriceTable = (provider: string, model: string, at: Date) => Price | undefined

/** Loads the table, which is large, so only whoever counts costs has it in memory. */
export async function loadPriceTable(): Promise<PriceTable> {
  const { calcPrice } = await import('@pydantic/genai-prices')
  return (provider, model, at) => {
    const found = calcPrice({}, model, { providerId: provider, timestamp: at })
    // Its providers are found by a part of a name, too.
    if (found?.provider.id !== provider) return undefined
    return { ...toModelPrice(found.model_price), source: `genai-prices ${tableVersion}`, date: tableDate }
  }
}

/** Dollars for a million tokens, below and above bounds of the input. */
type TablePrice = number | { base: number; tiers: readonly { start: number; price: number }[] } | undefined

/** Kinds that nobody here counts (searches, pages, seconds) are left out. */
const tableNames: Readonly<Record<RateName, string>> = {
  input: 'input_mtok',
  output: 'output_mtok',
  cacheRead: 'cache_read_mtok',
  cacheWrite: 'cache_write_mtok',
  cacheWrite1h: 'cache_write_1h_mtok',
  reasoning: 'output_reasoning_mtok',
  inputAudio: 'input_audio_mtok',
  inputImage: 'input_image_mtok',
  outputAudio: 'output_audio_mtok',
  outputImage: 'output_image_mtok',
}

function toModelPrice(prices: Readonly<Record<string, TablePrice>>): ModelPrice {
  const bounds = new Set(
    Object.values(prices).flatMap((price) => {
      return typeof price === 'object' ? price.tiers.map(({ start }) => start) : []
    }),
  )
  const { requests_kcount: thousandRequests } = prices
  return {
    ...ratesAt(prices, 0),
    ...(bounds.size > 0 && {
      tiers: [...bounds]
        .toSorted((left, right) => left - right)
        .map((above) => ({ above, rates: ratesAt(prices, above + 1) })),
    }),
    ...(typeof thousandRequests === 'number' && { request: Math.round(thousandRequests * 1e6) }),
  }
}

function ratesAt(prices: Readonly<Record<string, TablePrice>>, inputTokens: number): Rates {
  const rates = rateNames.flatMap((name) => {
    const price = prices[tableNames[name]]
    if (price === undefined) return []
    if (typeof price === 'number') return [[name, toRate(price)]]
    const tier = price.tiers.findLast(({ start }) => inputTokens > start)
    return [[name, toRate(tier?.price ?? price.base)]]
  })
  return Object.fromEntries(rates) as Rates
}

import { toRate, type ModelPrice, type Price, type PriceEntry, type PriceFile, type Rates } from './price.ts'
import { loadPriceTable, type PriceTable } from './table.ts'

/** Tells what models cost. */
export interface PriceList {
  /**
   * The price of a provider's model as of now; undefined if nobody knows it. `provider` is a name of the
   * configuration and `model` the provider's own name.
   */
  priceOf(provider: string, model: string): Price | undefined
}

/** Where prices are looked for; a configuration has this shape. */
export interface PriceSources {
  readonly providers: readonly { readonly name: string; readonly type: string }[]
  readonly models: readonly { readonly targets: readonly PricedTarget[] }[]
  readonly prices?: PriceFile | undefined
}

/** A target that may say what it costs. */
export interface PricedTarget {
  readonly provider: string
  readonly model: string
  /** The model whose price it has, where its own name does not tell. */
  readonly baseModel?: string | undefined
  readonly prices?: TargetPrices | undefined
}

/** In US dollars for a million tokens. */
export interface TargetPrices {
  readonly inputPerMillion?: number | undefined
  readonly outputPerMillion?: number | undefined
  readonly cacheReadPerMillion?: number | undefined
  readonly cacheWritePerMillion?: number | undefined
  readonly cacheWrite1hPerMillion?: number | undefined
  readonly reasoningPerMillion?: number | undefined
}

/** What the list is told of the providers' types. */
export interface PriceListOptions {
  /** The name that the built-in table has for providers of a type; undefined if it has none. */
  tableName: (type: string) => string | undefined
  /** Milliseconds since 1970, for tests. */
  now?: () => number
}

/** Some prices depend on the time of day. */
const keptMs = 60_000
/** Clients may ask for any model of a provider, so their names must not fill the memory. */
const mostKept = 2_000

/** Loads the built-in table. What a target says beats the file, and the file beats the table. */
export async function createPriceList(
  { providers, models, prices }: PriceSources,
  { tableName, now = Date.now }: PriceListOptions,
): Promise<PriceList> {
  const table = await loadPriceTable()
  const types = new Map(providers.map(({ name, type }) => [name, type]))
  const targets = indexTargets(models.flatMap((model) => model.targets))
  const entries = indexEntries(prices)
  const kept = new Map<string, { price: Price | undefined; untilMs: number }>()

  function find(provider: string, model: string): Price | undefined {
    const type = types.get(provider) ?? ''
    const target = targets(provider, model)
    const name = target?.baseModel ?? model
    const known = entries(provider, type, name) ?? lookUp(table, tableName(type), name, now())
    return target?.prices === undefined ? known : override(known, target.prices)
  }

  return {
    priceOf(provider, model) {
      const key = keyOf(provider, model)
      const before = kept.get(key)
      if (before !== undefined && before.untilMs > now()) return before.price
      if (kept.size >= mostKept) kept.clear()
      const price = find(provider, model)
      kept.set(key, { price, untilMs: now() + keptMs })
      return price
    },
  }
}

/** A name such as `azure/gpt-5` is also looked for without what stands before its last slash. */
function lookUp(
  table: PriceTable,
  provider: string | undefined,
  model: string,
  nowMs: number,
): Price | undefined {
  if (provider === undefined) return undefined
  const at = new Date(nowMs)
  return table(provider, model, at) ?? table(provider, model.slice(model.lastIndexOf('/') + 1), at)
}

/** Of several targets with one model the first that says something counts; a `*` in its model is any text. */
function indexTargets(
  targets: readonly PricedTarget[],
): (provider: string, model: string) => PricedTarget | undefined {
  const telling = targets.filter(({ prices, baseModel }) => prices !== undefined || baseModel !== undefined)
  const exact = new Map(telling.toReversed().map((target) => [keyOf(target.provider, target.model), target]))
  const open = telling
    .filter(({ model }) => model.includes('*'))
    .map((target) => ({ target, pattern: toPattern(target.model) }))
  return (provider, model) =>
    exact.get(keyOf(provider, model)) ??
    open.find(({ target, pattern }) => target.provider === provider && pattern.test(model))?.target
}

function toPattern(model: string): RegExp {
  const escaped = model.split('*').map((text) => text.replaceAll(/[^\w]/g, '\\$&'))
  return new RegExp(`^${escaped.join('.*')}$`, 's')
}

function indexEntries(
  file: PriceFile | undefined,
): (provider: string, type: string, model: string) => Price | undefined {
  if (file === undefined) return () => undefined
  const { source, date } = file
  const index = new Map(file.entries.map((entry): [string, PriceEntry] => [entryKey(entry), entry]))
  return (provider, type, model) => {
    const found = [model, '*']
      .flatMap((name) => [keyOf(provider, name), keyOf(type, name), keyOf('', name)])
      .map((key) => index.get(key))
      .find((entry) => entry !== undefined)
    return found && { ...found.price, source, date }
  }
}

/** What an entry of a file is found by: two of the same would be one too many. */
export function entryKey({ provider = '', model }: Pick<PriceEntry, 'provider' | 'model'>): string {
  return keyOf(provider, model)
}

function keyOf(provider: string, model: string): string {
  return `${provider}\n${model}`
}

/** What the target says holds for requests of every length. Nobody has said what it would be in a batch. */
function override(known: Price | undefined, prices: TargetPrices): Price {
  const told = toRates(prices)
  const { tiers, batch: _batch, ...base }: ModelPrice = known ?? {}
  return {
    ...base,
    ...told,
    ...(tiers !== undefined && {
      tiers: tiers.map(({ above, rates }) => ({ above, rates: { ...rates, ...told } })),
    }),
    source: 'configuration',
    date: null,
  }
}

function toRates(prices: TargetPrices): Rates {
  const told = {
    input: prices.inputPerMillion,
    output: prices.outputPerMillion,
    cacheRead: prices.cacheReadPerMillion,
    cacheWrite: prices.cacheWritePerMillion,
    cacheWrite1h: prices.cacheWrite1hPerMillion,
    reasoning: prices.reasoningPerMillion,
  }
  const set = Object.entries(told).flatMap(([name, dollars]) => {
    return dollars === undefined ? [] : [[name, toRate(dollars)]]
  })
  return Object.fromEntries(set) as Rates
}

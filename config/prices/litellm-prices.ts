import { toRate, type ModelPrice, type PriceEntry, type RateName, type Rates } from '#libs/prices'
import { isTree, toList } from '../environment.ts'
import type { Tree } from '../environment.ts'
import { readModelName, toProviderType } from '../litellm/deployments/provider-names.ts'
import { toNumber } from '../litellm/import-context.ts'
import type { Finding, Path } from '../problems.ts'

/**
 * LiteLLM's `model_prices_and_context_window.json`, which many an operator keeps already: for each model an object with
 * prices for one token, in US dollars. What in it is no price of tokens is passed over.
 */

const rateKeys: Readonly<Record<string, RateName>> = {
  input_cost_per_token: 'input',
  output_cost_per_token: 'output',
  cache_read_input_token_cost: 'cacheRead',
  cache_creation_input_token_cost: 'cacheWrite',
  cache_creation_input_token_cost_above_1hr: 'cacheWrite1h',
  output_cost_per_reasoning_token: 'reasoning',
  input_cost_per_audio_token: 'inputAudio',
  input_cost_per_image_token: 'inputImage',
  output_cost_per_audio_token: 'outputAudio',
  output_cost_per_image_token: 'outputImage',
}

/** Whether the file has LiteLLM's shape: objects by the names of models, with words that only LiteLLM has. */
export function isLitellmPrices(tree: unknown): tree is Tree {
  if (!isTree(tree) || toList(tree.prices) !== undefined) return false
  return Object.values(tree).some(
    (value) =>
      isTree(value) && Object.keys(value).some((key) => key === 'litellm_provider' || key in rateKeys),
  )
}

/** What the file says of each model that has prices, and each price that is no number. */
export function readLitellmPrices(tree: Tree): { entries: PriceEntry[]; findings: Finding[] } {
  const findings: Finding[] = []
  const entries = Object.entries(tree).flatMap(([name, value]) => {
    if (name === 'sample_spec' || !isTree(value)) return []
    const price = readPrice(value, (key) => {
      findings.push({
        path: [name, key] satisfies Path,
        message: 'must be a number of US dollars, 0 or more',
      })
    })
    return price === undefined ? [] : [{ ...toNames(name, value), price }]
  })
  return { entries, findings }
}

function toNames(name: string, { litellm_provider: provider }: Tree): Pick<PriceEntry, 'provider' | 'model'> {
  const named = readModelName(name, { provider: undefined, baseUrl: undefined })
  const model = name.includes('/') ? (named?.model ?? name) : name
  // `vertex_ai-anthropic_models` is a part of `vertex_ai`.
  const prefix = typeof provider === 'string' ? provider.replace(/(_ai)-.*$/, '$1') : named?.prefix
  return { provider: prefix === undefined ? undefined : toProviderType(prefix), model }
}

function readPrice(model: Tree, onWrong: (key: string) => void): ModelPrice | undefined {
  const read = (suffix: string): Rates => {
    const found = Object.entries(rateKeys).flatMap(([key, name]) => {
      const value = model[key + suffix]
      if (value === undefined || value === null) return []
      const dollars = toNumber(value)
      if (dollars !== undefined && dollars >= 0) return [[name, toRate(dollars * 1e6)]]
      onWrong(key + suffix)
      return []
    })
    return Object.fromEntries(found) as Rates
  }
  const base = read('')
  if (Object.keys(base).length === 0) return undefined
  const batch = read('_batches')
  const tiers = boundsOf(model).map(({ above, suffix }) => ({ above, rates: { ...base, ...read(suffix) } }))
  return {
    ...base,
    ...(tiers.length > 0 && { tiers }),
    ...(Object.keys(batch).length > 0 && { batch: { ...base, ...batch } }),
  }
}

/** `input_cost_per_token_above_200k_tokens` */
function boundsOf(model: Tree): { above: number; suffix: string }[] {
  const suffixes = Object.keys(model).flatMap((key) => /_above_\d+k_tokens$/.exec(key)?.[0] ?? [])
  return [...new Set(suffixes)]
    .map((suffix) => ({ above: Number(/\d+/.exec(suffix)?.[0]) * 1000, suffix }))
    .toSorted((left, right) => left.above - right.above)
}

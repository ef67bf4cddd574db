import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { costOf, createPriceList, tableVersion } from '#libs/prices'
import { findProviderSpec, providerSpecs } from '#libs/providers'
import { expect, test } from 'vitest'
import { root } from '../support/sources.ts'

const facts = resolve(root, '../shared/data/model-prices-2026-02.json')
const isThere = existsSync(facts)
if (!isThere) process.stderr.write('The price facts are not here, so the table is not compared with them.\n')

const providers = providerSpecs.map(({ type }) => ({ name: type, type }))
const prices = await createPriceList(
  { providers, models: [] },
  { tableName: (type) => findProviderSpec(type)?.pricesName },
)

test('the version that is told is the one that is pinned', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  expect(dependencies['@pydantic/genai-prices']).toBe(tableVersion)
})

test('every name that a provider has in the table is one that the table has', () => {
  const known: Readonly<Record<string, string>> = {
    openai: 'gpt-4o',
    anthropic: 'claude-opus-4-1',
    gemini: 'gemini-2.5-pro',
    vertex: 'claude-sonnet-4-5@20250929',
    bedrock: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0',
    azure: 'gpt-4o',
    cerebras: 'gpt-oss-120b',
    cohere: 'command-r-plus',
    deepseek: 'deepseek-chat',
    fireworks: 'accounts/fireworks/models/gpt-oss-120b',
    groq: 'llama-3.3-70b-versatile',
    mistral: 'mistral-large-latest',
    openrouter: 'openai/gpt-4o',
    perplexity: 'sonar',
    together: 'meta-llama/Llama-3.3-70B-Instruct-Turbo',
    xai: 'grok-4',
  }
  const named = providerSpecs.filter(({ pricesName }) => pricesName !== undefined).map(({ type }) => type)

  expect(Object.keys(known).toSorted()).toEqual(named.toSorted())
  const unknown = named.filter((type) => prices.priceOf(type, known[type] ?? '') === undefined)
  expect(unknown).toEqual([])
})

interface Fact {
  litellm_provider: string
  input_cost_per_token?: number
  output_cost_per_token?: number
}

/** Models whose prices have not changed since the facts were written down. */
test.skipIf(!isThere).each([
  ['openai', 'gpt-4o'],
  ['openai', 'gpt-4o-mini'],
  ['openai', 'gpt-5'],
  ['openai', 'o3'],
  ['openai', 'text-embedding-3-small'],
  ['anthropic', 'claude-opus-4-1'],
  ['anthropic', 'claude-sonnet-4-5'],
  ['anthropic', 'claude-haiku-4-5'],
  ['gemini', 'gemini-2.5-pro'],
  ['gemini', 'gemini-2.5-flash'],
  ['groq', 'llama-3.3-70b-versatile'],
  ['xai', 'grok-4'],
  ['bedrock', 'amazon.nova-pro-v1:0'],
])('%s takes for %s what it took in February 2026', (type, model) => {
  const all = JSON.parse(readFileSync(facts, 'utf8')) as Record<string, Fact>
  const fact = all[model] ?? all[`${type}/${model}`]
  const price = prices.priceOf(type, model)
  const dollars = 1000 * (fact?.input_cost_per_token ?? 0) + 100 * (fact?.output_cost_per_token ?? 0)

  expect(
    price && costOf(price, { inputTokens: 1000, outputTokens: price.output === undefined ? 0 : 100 }),
  ).toBe(Math.round(dollars * 1e9))
})

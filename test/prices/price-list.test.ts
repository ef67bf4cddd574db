import { createPriceList, type PriceFile, type PriceSources } from '#libs/prices'
import { expect, test } from 'vitest'

const tableNames: Readonly<Record<string, string>> = { openai: 'openai', claude: 'anthropic', azure: 'azure' }
const providers = [
  { name: 'openai', type: 'openai' },
  { name: 'second', type: 'openai' },
  { name: 'house', type: 'own-server' },
  { name: 'blue', type: 'azure' },
  { name: 'claude', type: 'claude' },
]

async function listOf(sources: Partial<PriceSources> = {}, now?: () => number) {
  const tableName = (type: string): string | undefined => tableNames[type]
  return createPriceList(
    { providers, models: [], ...sources },
    { tableName, ...(now !== undefined && { now }) },
  )
}

function fileOf(entries: PriceFile['entries']): PriceFile {
  return { source: 'contract', date: '2026-10-01', entries }
}

test('the built-in table knows a vendor’s models by all of their names', async () => {
  const prices = await listOf()
  const price = prices.priceOf('openai', 'gpt-4o')

  expect(price).toMatchObject({
    input: 2_500_000,
    output: 10_000_000,
    cacheRead: 1_250_000,
    source: expect.stringMatching(/^genai-prices \d/) as string,
    date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/) as string,
  })
  expect(prices.priceOf('second', 'gpt-4o')).toEqual(price)
  expect(prices.priceOf('second', 'gpt-4o-2024-08-06')).toEqual(price)
})

test('nobody knows what an unknown model costs, or one of a server that the table does not have', async () => {
  const prices = await listOf()
  expect(prices.priceOf('openai', 'my-model')).toBeUndefined()
  expect(prices.priceOf('house', 'gpt-4o')).toBeUndefined()
  expect(prices.priceOf('nobody', 'gpt-4o')).toBeUndefined()
})

test('prices for hours and for long requests are in the table', async () => {
  const prices = await listOf()
  expect(prices.priceOf('claude', 'claude-sonnet-4-5')).toMatchObject({
    cacheWrite: 3_750_000,
    cacheWrite1h: 6_000_000,
    tiers: [{ above: 200_000, rates: { input: 6_000_000, output: 22_500_000, cacheRead: 600_000 } }],
  })
})

test('an entry of the file stands for all that the table says of its model', async () => {
  const prices = await listOf({
    prices: fileOf([
      { provider: 'openai', model: 'gpt-4o', price: { input: 1, output: 2 } },
      { provider: 'second', model: 'gpt-4o', price: { input: 3, output: 4 } },
      { provider: 'house', model: '*', price: { input: 0, output: 0 } },
      { model: 'anywhere', price: { input: 5 } },
    ]),
  })

  expect(prices.priceOf('openai', 'gpt-4o')).toEqual({
    input: 1,
    output: 2,
    source: 'contract',
    date: '2026-10-01',
  })
  expect(prices.priceOf('second', 'gpt-4o')).toMatchObject({ input: 3, output: 4 })
  expect(prices.priceOf('house', 'whatever')).toMatchObject({ input: 0, output: 0 })
  expect(prices.priceOf('house', 'anywhere')).toMatchObject({ input: 5 })
  expect(prices.priceOf('openai', 'gpt-5')).toMatchObject({ input: 1_250_000 })
})

test('what a target says beats the file and the table, and the rest is looked up', async () => {
  const target = { provider: 'claude', model: 'claude-sonnet-4-5', prices: { inputPerMillion: 1 } }
  const open = { provider: 'house', model: 'big-*', prices: { inputPerMillion: 0, outputPerMillion: 0.05 } }
  const prices = await listOf({ models: [{ targets: [target, open] }] })

  expect(prices.priceOf('claude', 'claude-sonnet-4-5')).toMatchObject({
    input: 1_000_000,
    output: 15_000_000,
    tiers: [{ above: 200_000, rates: { input: 1_000_000, output: 22_500_000 } }],
    source: 'configuration',
    date: null,
  })
  expect(prices.priceOf('house', 'big-one')).toEqual({
    input: 0,
    output: 50_000,
    source: 'configuration',
    date: null,
  })
  expect(prices.priceOf('house', 'one')).toBeUndefined()
})

test('a deployment has the price of the model that it is said to be', async () => {
  const targets = [
    { provider: 'blue', model: 'team-7', baseModel: 'azure/gpt-4o' },
    { provider: 'blue', model: 'team-8', baseModel: 'gpt-4o', prices: { outputPerMillion: 1 } },
  ]
  const prices = await listOf({ models: [{ targets }] })

  expect(prices.priceOf('blue', 'team-7')).toMatchObject({ input: 2_500_000, output: 10_000_000 })
  expect(prices.priceOf('blue', 'team-8')).toMatchObject({ input: 2_500_000, output: 1_000_000 })
  expect(prices.priceOf('blue', 'team-9')).toBeUndefined()
})

test('names that clients make up do not fill the memory', async () => {
  const prices = await listOf()
  for (let index = 0; index < 5000; index++) prices.priceOf('openai', `made-up-${index}`)
  expect(prices.priceOf('openai', 'gpt-4o')).toBeDefined()
})

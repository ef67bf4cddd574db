import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { formatProblems, loadConfig } from '#config'
import { describe, expect, test } from 'vitest'
import { root } from '../support/sources.ts'
import { load, makeDirectory, mustLoad, providerSpecs } from './support.ts'

const facts = resolve(root, '../shared/data/model-prices-2026-02.json')

/** A configuration that names `prices.json`, which is this. */
function loadWith(prices: unknown, yaml = 'prices: prices.json') {
  const directory = makeDirectory(yaml)
  const text = typeof prices === 'string' ? prices : JSON.stringify(prices, undefined, 1)
  writeFileSync(join(directory, 'prices.json'), text)
  return loadConfig({ providerSpecs, environment: {}, workingDirectory: directory })
}

function pricesOf(prices: unknown) {
  const result = loadWith(prices)
  if (!result.ok) throw new Error(formatProblems(result.problems))
  return result.config.prices
}

function problemsOf(prices: unknown): string[] {
  const result = loadWith(prices)
  return result.ok ? [] : result.problems.map((problem) => formatProblems([problem]).split('\n')[0] ?? '')
}

test('a file in our own format is read', () => {
  const prices = pricesOf({
    source: 'the contract of 2026',
    date: '2026-10-01',
    prices: [
      {
        provider: 'openai',
        model: 'gpt-5',
        input_per_million: 1,
        output_per_million: 8.5,
        cache_write_1h_per_million: 2,
        per_request: 0.005,
        tiers: [{ above_input_tokens: 200000, input_per_million: 2 }],
        batch: { input_per_million: 0.5 },
      },
      { provider: 'sim', model: '*', input_per_million: 0, output_per_million: 0 },
    ],
  })

  expect(prices).toEqual({
    source: 'the contract of 2026',
    date: '2026-10-01',
    entries: [
      {
        provider: 'openai',
        model: 'gpt-5',
        price: {
          input: 1_000_000,
          output: 8_500_000,
          cacheWrite1h: 2_000_000,
          request: 5_000_000,
          tiers: [
            { above: 200_000, rates: { input: 2_000_000, output: 8_500_000, cacheWrite1h: 2_000_000 } },
          ],
          batch: { input: 500_000, output: 8_500_000, cacheWrite1h: 2_000_000 },
        },
      },
      { provider: 'sim', model: '*', price: { input: 0, output: 0 } },
    ],
  })
})

test('a file in LiteLLM’s format is read, whose providers are ours', () => {
  const prices = pricesOf({
    sample_spec: { input_cost_per_token: 0, litellm_provider: 'one of …', max_tokens: 'LEGACY' },
    'gpt-5': {
      litellm_provider: 'openai',
      mode: 'chat',
      input_cost_per_token: 1.25e-6,
      output_cost_per_token: '1e-05',
      input_cost_per_token_batches: 6.25e-7,
      input_cost_per_token_above_200k_tokens: 2.5e-6,
      supports_vision: true,
    },
    'vertex_ai/claude-x': { litellm_provider: 'vertex_ai-anthropic_models', input_cost_per_token: 3e-6 },
    'openrouter/vendor/m': { litellm_provider: 'openrouter', output_cost_per_token: 1.95e-8 },
    'dall-e-3': { litellm_provider: 'openai', input_cost_per_pixel: 1e-8 },
  })

  expect(prices).toEqual({
    source: 'prices.json',
    date: null,
    entries: [
      {
        provider: 'openai',
        model: 'gpt-5',
        price: {
          input: 1_250_000,
          output: 10_000_000,
          tiers: [{ above: 200_000, rates: { input: 2_500_000, output: 10_000_000 } }],
          batch: { input: 625_000, output: 10_000_000 },
        },
      },
      { provider: 'vertex', model: 'claude-x', price: { input: 3_000_000 } },
      { provider: 'openrouter', model: 'vendor/m', price: { output: 19_500 } },
    ],
  })
})

test.skipIf(!existsSync(facts))('LiteLLM’s file of February 2026 is read as it is', () => {
  const prices = pricesOf(readFileSync(facts, 'utf8'))
  expect(prices?.entries.length).toBeGreaterThan(1900)
})

describe('a problem is told', () => {
  test('of a price that is none, with its place', () => {
    expect(
      problemsOf({ prices: [{ model: 'm', input_per_million: -1 }, { input_per_millions: 2 }] }),
    ).toEqual([
      'prices.json:5:25: prices[0].input_per_million: must be a number of US dollars, 0 or more',
      'prices.json:7:3: prices[1].model: is required',
      'prices.json:8:4: prices[1].input_per_millions: unknown key; did you mean "input_per_million"?',
    ])
    expect(problemsOf({ m: { litellm_provider: 'openai', input_cost_per_token: 'free' } })).toEqual([
      'prices.json:4:27: m.input_cost_per_token: must be a number of US dollars, 0 or more',
    ])
  })

  test('of a provider that is not there, and of a model with two entries', () => {
    const entry = { model: 'm', input_per_million: 1 }
    expect(problemsOf({ prices: [{ ...entry, provider: 'opnai' }, entry, entry] })).toEqual([
      'prices.json:6:16: prices[0].provider: must be one of sim, openai, anthropic, openai-compatible, simulator; did you mean "openai"?',
      'prices.json:13:13: prices[2].model: has its prices in prices[1] already',
    ])
  })

  test.each([
    ['of what is no JSON', '{ "prices": [ }', /^prices.json.*YAML|is no valid JSON/],
    ['of another file', '{ "version": 1 }', /^prices.json: is no file of prices/],
    ['of an empty list', '{ "prices": [] }', /prices: must not be empty/],
  ])('%s', (_, text, problem) => expect(problemsOf(text).join()).toMatch(problem))

  test('of a file that is not there, at the setting', () => {
    const result = load('prices: nowhere.json')
    expect(result.ok ? '' : formatProblems(result.problems)).toMatch(
      /^millrace.yaml:1:9: prices: there is no such file/,
    )
  })
})

test('two targets with one model and other prices are warned of, since only one price counts', () => {
  const target = (price: number): string =>
    `targets: [ { provider: sim, model: m, prices: { input_per_million: ${price} } } ]`
  const yaml = (second: number): string =>
    `models: [ { name: a, ${target(1)} }, { name: b, ${target(second)} } ]`

  const warned = load(yaml(2))
  expect(warned.ok && warned.warnings.map(({ message }) => message)).toEqual([
    'models[1].targets[0].prices: is not that of models[0].targets[0], the same model, whose price counts',
  ])
  const same = load(yaml(1))
  expect(same.ok && same.warnings).toEqual([])
})

test('a target may say the price of its hours and its reasoning, and which model it is', () => {
  const { models } = mustLoad(`
models:
  - name: a
    targets:
      - { provider: sim, model: m, base_model: gpt-5, prices: { cache_write_1h_per_million: 6, reasoning_per_million: "0.5" } }
`)
  expect(models[0]?.targets[0]).toMatchObject({
    baseModel: 'gpt-5',
    prices: { cacheWrite1hPerMillion: 6, reasoningPerMillion: 0.5 },
  })
})

import { describe, expect, test } from 'vitest'
import { load, mustLoad, problemsOf } from './support.ts'

const target = 'targets: [ { provider: sim, model: m } ]'

test('what a model can say is read, and prices and numbers may be texts', () => {
  const { models, modelDefaults, general, keys } = mustLoad(
    `
keys: [ { key: 0123456789abcdef, models: { allow: [ "gpt-*" ], deny: [ gpt-5-pro ] }, limits: { parallel: "\${N}" } } ]
general: { direct_targets: false, parallel: 9 }
model_defaults: { retries: { default: 2, rate_limit: 0 }, cooldown: { duration_ms: 0 }, fallbacks: { default: [ b ] } }
models:
  - name: gpt-*
    aliases: [ a, { name: old, hidden: true } ]
    hidden: true
    routing: lowest-cost
    cache_affinity: { mild_tokens: 0, wait_ms: "50" }
    deadline_ms: 90000
    targets:
      - provider: sim
        model: "*"
        order: 2
        params: { temperature: 0.5, stop: [ x ] }
        limits: { requests_per_minute: 5 }
        prices: { input_per_million: "0.15", output_per_million: 0 }
  - name: b
    unavailable: ask for a
`,
    { environment: { N: '7' } },
  )

  expect(keys[0]).toMatchObject({
    models: { allow: ['gpt-*'], deny: ['gpt-5-pro'] },
    limits: { parallel: 7 },
  })
  expect(general).toMatchObject({
    directTargets: false,
    dropUnsupportedParams: false,
    maxWaitMs: 180_000,
    parallel: 9,
    agingMs: { standard: 60_000, batch: 600_000 },
  })
  expect(modelDefaults).toEqual({
    retries: { default: 2, rateLimit: 0 },
    cooldown: { durationMs: 0 },
    fallbacks: { default: ['b'] },
  })
  expect(models[0]).toMatchObject({
    cacheAffinity: { mildTokens: 0, strongTokens: 4_000, waitMs: 50 },
    aliases: [
      { name: 'a', hidden: false },
      { name: 'old', hidden: true },
    ],
    routing: 'lowest-cost',
    deadlineMs: 90_000,
    targets: [
      {
        order: 2,
        params: { temperature: 0.5, stop: ['x'] },
        limits: { requestsPerMinute: 5 },
        prices: { inputPerMillion: 0.15, outputPerMillion: 0 },
      },
    ],
  })
  expect(models[1]).toMatchObject({ unavailable: 'ask for a', targets: [] })
})

test('what a breaker goes by is read, and its rates may be texts', () => {
  const { models, modelDefaults } = mustLoad(`
model_defaults: { breaker: { failure_rate: "0.25", slow_call_ms: 9000 } }
models: [ { name: a, breaker: { open_ms: 0, probes: 3, failure_rate: 1 }, ${target} } ]
`)

  expect(modelDefaults.breaker).toEqual({ failureRate: 0.25, slowCallMs: 9000 })
  expect(models[0]?.breaker).toEqual({ openMs: 0, probes: 3, failureRate: 1 })
})

describe('a problem is told', () => {
  test.each([
    [
      'of a model with nothing to serve it',
      'models: [ { name: a } ]',
      '1:11: models[0].targets: is required',
    ],
    [
      'of a model that is served and unavailable at once',
      `models: [ { name: a, ${target}, unavailable: x } ]`,
      '1:22: models[0].targets: cannot be there together with unavailable',
    ],
    [
      'of an alias that is taken',
      `models: [ { name: a, aliases: [ A ], ${target} } ]`,
      '1:33: models[0].aliases[0]: is the name or an alias of a model already',
    ],
    [
      'of an alias with a star',
      `models: [ { name: a, aliases: [ "b*" ], ${target} } ]`,
      '1:33: models[0].aliases[0]: cannot hold a *; give a model of its own a name with it',
    ],
    [
      'of a fallback that does not exist',
      `models: [ { name: large, ${target}, fallbacks: { default: [ lrage ] } } ]`,
      '1:92: models[0].fallbacks.default[0]: must be the name or an alias of a model; did you mean "large"?',
    ],
    [
      'of a default fallback that does not exist',
      'model_defaults: { fallbacks: { context_window: [ x ] } }',
      '1:50: model_defaults.fallbacks.context_window[0]: must be the name or an alias of a model',
    ],
    [
      'of a rate that is a percentage',
      'model_defaults: { breaker: { failure_rate: 50 } }',
      '1:44: model_defaults.breaker.failure_rate: must be a number above 0 and up to 1',
    ],
    [
      "of a client's own mistakes among the failures of a target",
      'model_defaults: { cooldown: { after_failures: { bad_request: 1 } } }',
      '1:49: model_defaults.cooldown.after_failures.bad_request: unknown key; known here: default, rate_limit, timeout, server_error, authentication',
    ],
    [
      'of a price that is none',
      'models: [ { name: a, targets: [ { provider: sim, model: m, prices: { input_per_million: free } } ] } ]',
      '1:89: models[0].targets[0].prices.input_per_million: must be a number of US dollars',
    ],
  ])('%s', (_, yaml, expected) => {
    expect(problemsOf(yaml)).toEqual([`millrace.yaml:${expected}`])
  })
})

test('settings that nothing carries out yet are warned of, once each, with what happens instead', () => {
  const result = load(`
general: { drop_unsupported_params: true }
models:
  - { name: a, routing: least-busy, targets: [ { provider: sim, model: m, params: { top_p: 1 } } ] }
  - { name: b, routing: load-balance, targets: [ { provider: sim, model: m, params: { top_p: 1 } } ] }
`)

  expect(result.ok && result.warnings.map(({ message }) => message)).toEqual([
    'general.drop_unsupported_params: is accepted, but this release does not carry it out yet: parameters reach the provider as the client sent them',
  ])
})

test("a provider's key has models, limits and an address of its own, which is checked like the provider's", () => {
  const yaml = (url: string) => `
providers:
  up:
    type: openai-compatible
    base_url: http://127.0.0.1:1/v1
    keys:
      - value: sk-same
        limits: { requests_per_minute: "100", tokens_per_minute: 20000, parallel: 8 }
        models: { allow: [ "gpt-*" ] }
      - value: sk-same
        base_url: ${url}
`
  const { providers } = mustLoad(yaml('http://127.0.0.1:2/v1/'))
  expect(providers.find(({ name }) => name === 'up')?.keys).toMatchObject([
    {
      limits: { requestsPerMinute: 100, tokensPerMinute: 20_000, parallel: 8 },
      models: { allow: ['gpt-*'] },
    },
    { baseUrl: 'http://127.0.0.1:2/v1' },
  ])
  expect(problemsOf(yaml('ftp://127.0.0.1')).join('\n')).toContain('providers.up.keys[1].base_url')
  expect(problemsOf(yaml('http://user:password@127.0.0.1')).join('\n')).toContain('keys[1].base_url')
})

test('one key twice at one address is a mistake', () => {
  const yaml = 'providers: { up: { type: openai, keys: [ { value: sk-same }, { value: sk-same } ] } }'
  expect(problemsOf(yaml).join('\n')).toContain('is the same as that of keys[0]')
})

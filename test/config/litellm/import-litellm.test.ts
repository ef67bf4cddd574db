import { describe, expect, test } from 'vitest'
import { entry, file, findingOf, loadLitellm, mustLoadLitellm, problemsOf, providerSpecs } from './support.ts'

describe('a deployment', () => {
  test('becomes a target of a provider, one for each type, address and key', () => {
    const local = { api_base: 'http://127.0.0.1:4010/v1/' }
    const { providers, models } = mustLoadLitellm(
      file([
        entry('a', { model: 'openai/gpt-4' }),
        entry('b', { model: 'openai/org/gpt-4' }),
        entry('c', { model: 'anthropic/claude', api_key: 'sk-2' }),
        entry('d', { model: 'openai/m', ...local }),
        entry('e', { model: 'openai/m', ...local, api_key: 'sk-3' }),
        entry('f', { model: 'ollama/llama', api_base: 'http://127.0.0.1:11434' }),
      ]),
    )

    expect(models.map(({ name, targets }) => `${name} ${targets[0]?.provider} ${targets[0]?.model}`)).toEqual(
      [
        'a openai gpt-4',
        'b openai org/gpt-4',
        'c anthropic claude',
        'd local m',
        'e local-2 m',
        'f ollama llama',
      ],
    )
    expect(providers.find(({ name }) => name === 'local')).toMatchObject({
      type: 'openai-compatible',
      baseUrl: 'http://127.0.0.1:4010/v1',
      keys: [{ value: 'sk-1' }],
    })
    expect(providers.find(({ name }) => name === 'ollama')?.baseUrl).toBe('http://127.0.0.1:11434/v1')
  })

  test.each([
    ['gpt-4o', {}, 'openai'],
    ['claude-3-opus', {}, 'anthropic'],
    ['llama3', { custom_llm_provider: 'groq' }, 'groq'],
    ['mixtral', { api_base: 'https://api.groq.com/openai/v1' }, 'groq'],
  ])('called %s with %o is one of %s', (model, params, provider) => {
    const { models } = mustLoadLitellm(file([entry('m', { model, ...params })]))

    expect(models[0]?.targets).toMatchObject([{ provider, model }])
  })

  test('of a provider that this release lacks is left out, and no wildcard takes its name', () => {
    const yaml = file([entry('*', { model: 'openai/*' }), entry('x', { model: 'sagemaker/x', rpm: 5 })])
    const { models } = mustLoadLitellm(yaml)

    expect(models[1]).toMatchObject({
      name: 'x',
      targets: [],
      unavailable: 'its provider sagemaker is not supported by this release',
    })
    expect(findingOf(yaml, 'model_list[1].litellm_params.model')).toMatchObject({
      verdict: 'refused',
      message: 'provider sagemaker is not supported by this release; this entry is left out',
      stopsStart: false,
    })
  })

  test('of a provider that is registered later is taken then', () => {
    const yaml = file([entry('x', { model: 'sagemaker/x' })])
    const later = [
      ...providerSpecs,
      { type: 'sagemaker', needsKey: true, defaultBaseUrl: 'https://x.example' },
    ]

    expect(problemsOf(yaml)).toEqual([expect.stringContaining('no entry can be called')])
    expect(problemsOf(yaml, { providerSpecs: later })).toEqual([])
  })

  test('has what it says of limits, times, order, prices and parameters', () => {
    const { models } = mustLoadLitellm(
      file(
        [
          entry(
            'm',
            {
              rpm: '10',
              tpm: 20_000,
              timeout: 1.5,
              stream_timeout: 0.0001,
              order: 2,
              max_parallel_requests: 3,
              num_retries: 4,
              max_retries: 9,
              cooldown_time: 0,
              input_cost_per_token: '1.5e-7',
              temperature: 0.1,
            },
            { output_cost_per_token: 0 },
          ),
        ],
        { router_settings: { routing_strategy: 'usage-based-routing-v2' } },
      ),
    )

    expect(models[0]?.targets).toEqual([
      {
        provider: 'openai',
        model: 'gpt',
        weight: 1,
        order: 2,
        limits: { requestsPerMinute: 10, tokensPerMinute: 20_000, parallel: 3 },
        timeouts: { totalMs: 1500, firstByteMs: 1 },
        retries: 4,
        cooldownMs: 0,
        prices: { inputPerMillion: 0.15, outputPerMillion: 0 },
        params: { temperature: 0.1 },
      },
    ])
  })

  test.each([
    ['by weight, if the first has one', [{ weight: 3, rpm: 1 }, { rpm: 9 }], [3, 0]],
    ['by rpm else', [{ rpm: 9 }, { rpm: 1 }], [9, 1]],
    ['by tpm else', [{ tpm: 5 }, { tpm: 15 }], [5, 15]],
    ['evenly else', [{}, { rpm: 5 }], [1, 1]],
    ['in whole numbers', [{ weight: 0.9 }, { weight: 0.1 }], [10_000, 1111]],
  ])('shares its name %s', (_, params, weights) => {
    const { models } = mustLoadLitellm(file(params.map((each) => entry('m', each))))

    expect(models[0]?.targets.map(({ weight }) => weight)).toEqual(weights)
  })

  test('takes what it lacks from its credential and from the defaults of the router', () => {
    const { models, providers } = mustLoadLitellm(
      file([{ model_name: 'm', litellm_params: { model: 'openai/m', litellm_credential_name: 'mine' } }], {
        credential_list: [
          { credential_name: 'other', credential_values: { api_key: 'wrong' } },
          { credential_name: 'mine', credential_values: { api_key: 'sk-9', api_base: 'http://127.0.0.1:1' } },
        ],
        router_settings: { default_litellm_params: { timeout: 2 } },
      }),
    )

    expect(models[0]?.targets[0]).toMatchObject({ provider: 'local', timeouts: { totalMs: 2000 } })
    expect(providers.find(({ name }) => name === 'local')?.keys[0]?.value).toBe('sk-9')
  })
})

describe('the environment', () => {
  const yaml = file([entry('m', { api_key: 'os.environ/KEY', model: 'os.environ/MODEL' })], {
    environment_variables: { MODEL: 'openai/from-file' },
  })

  test('is read with the variables of the file in it', () => {
    const { models, providers } = mustLoadLitellm(yaml, { environment: { KEY: 'sk-env' } })

    expect(models[0]?.targets[0]?.model).toBe('from-file')
    expect(providers.find(({ name }) => name === 'openai')?.keys[0]?.value).toBe('sk-env')
  })

  test('is warned of where it lacks something, and the gateway starts all the same', () => {
    const result = loadLitellm(yaml)

    expect(result.ok && result.warnings.map(({ message }) => message)).toContainEqual(
      'model_list[0].litellm_params.api_key: is of its provider; the environment variable KEY is not set',
    )
  })

  test('stands in for a key that is not there', () => {
    const bare = 'model_list: [ { model_name: m, litellm_params: { model: gpt-4o } } ]'
    const { providers } = mustLoadLitellm(bare, { environment: { OPENAI_API_KEY: 'sk-vendor' } })

    expect(providers.find(({ name }) => name === 'openai')?.keys[0]?.value).toBe('sk-vendor')
  })

  test('must have the master key that the file names', () => {
    const open = file([entry('m')], { general_settings: { master_key: 'os.environ/MASTER' } })

    expect(problemsOf(open)).toEqual([expect.stringContaining('general_settings.master_key: has no value')])
    expect(mustLoadLitellm(open, { environment: { MASTER: 'sk-master-0123456789' } }).keys).toMatchObject([
      { name: 'master', key: 'sk-master-0123456789', tenant: 'default' },
    ])
  })
})

describe('routing and failures', () => {
  test('are read from both sections, and the router wins', () => {
    const { modelDefaults, models, providers, general } = mustLoadLitellm(
      file([entry('a'), entry('b'), entry('c')], {
        litellm_settings: { num_retries: 9, allowed_fails: 4, request_timeout: 30, drop_params: true },
        router_settings: {
          num_retries: 1,
          retry_policy: { TimeoutErrorRetries: 5 },
          cooldown_time: 2.5,
          stream_timeout: 10,
          fallbacks: [{ a: ['b'] }],
          context_window_fallbacks: [{ b: ['c'] }],
          default_fallbacks: ['c'],
          model_group_alias: { 'a-alias': 'a', secret: { model: 'b', hidden: true }, gone: 'nothing' },
        },
      }),
    )

    expect(general).toMatchObject({ directTargets: false, dropUnsupportedParams: true })
    expect(modelDefaults).toEqual({
      retries: { default: 1, timeout: 5 },
      cooldown: { afterFailures: { default: 4 }, durationMs: 2500 },
      fallbacks: { default: ['c'] },
    })
    expect(models.map(({ fallbacks }) => fallbacks)).toEqual([
      { default: ['b'], contextWindow: [] },
      { contextWindow: ['c'] },
      { contextWindow: [] },
    ])
    expect(models[0]?.aliases).toEqual([{ name: 'a-alias', hidden: false }])
    expect(models[1]?.aliases).toEqual([{ name: 'secret', hidden: true }])
    expect(providers.find(({ name }) => name === 'openai')?.timeouts).toMatchObject({
      firstByteMs: 10_000,
      idleMs: 30_000,
      totalMs: 30_000,
    })
  })

  test("failures that are a client's own mistakes make no target rest, and are told", () => {
    const allowed_fails_policy = { BadRequestErrorAllowedFails: 1, RateLimitErrorAllowedFails: 2 }
    const yaml = file([entry('a')], { router_settings: { allowed_fails_policy } })

    expect(mustLoadLitellm(yaml).modelDefaults.cooldown).toEqual({ afterFailures: { rateLimit: 2 } })
    expect(findingOf(yaml, 'router_settings.allowed_fails_policy')).toMatchObject({
      verdict: 'mapped',
      message: expect.stringContaining("but for a client's own mistakes"),
    })
  })

  test.each([
    ['simple-shuffle', 'load-balance'],
    ['least-busy', 'least-busy'],
    ['latency-based-routing', 'lowest-latency'],
    ['cost-based-routing', 'lowest-cost'],
    ['usage-based-routing', 'usage-based'],
  ])('the strategy %s is %s', (theirs, ours) => {
    const settings = { router_settings: { routing_strategy: theirs } }

    expect(mustLoadLitellm(file([entry('m'), entry('m')], settings)).models[0]?.routing).toBe(ours)
  })
})

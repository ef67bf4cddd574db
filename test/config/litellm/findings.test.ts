import { toNativeFile } from '#config'
import { describe, expect, test } from 'vitest'
import { makeDirectory } from '../support.ts'
import {
  entry,
  file,
  findingOf,
  isWritten,
  loadLitellm,
  problemsOf,
  providerSpecs,
  verdictsOf,
} from './support.ts'

describe('a setting that protects stops the start, unless it is off or accepted', () => {
  test.each([
    ['general_settings', 'custom_auth', 'my.auth', null],
    ['general_settings', 'enable_jwt_auth', true, false],
    ['general_settings', 'allowed_ips', ['10.0.0.1'], []],
    ['general_settings', 'key_management_system', 'aws', ''],
    ['litellm_settings', 'max_budget', 10, null],
    ['litellm_settings', 'turn_off_message_logging', true, false],
    ['litellm_settings', 'ssl_verify', false, true],
    ['litellm_settings', 'callbacks', ['my.logger'], []],
    ['litellm_settings', 'guardrails', [{ g: { default_on: true } }], [{ g: { default_on: false } }]],
    ['router_settings', 'provider_budget_config', { openai: { budget_limit: 1 } }, {}],
    ['router_settings', 'routing_strategy', 'provider-budget-routing', 'simple-shuffle'],
  ])('%s.%s', (section, key, on, off) => {
    const withValue = (value: unknown): string => file([entry('m')], { [section]: { [key]: value } })

    expect(problemsOf(withValue(on))).toEqual([
      expect.stringContaining(`--accept-unsupported ${section}.${key}`),
    ])
    expect(problemsOf(withValue(off))).toEqual([])
    const overrides = { acceptUnsupported: [`${section}.${key}`] }
    expect(problemsOf(withValue(on), { overrides })).toEqual([])
  })

  test('of a deployment, where one name stands for all', () => {
    const yaml = file([entry('a', { max_budget: 1 }), entry('b', { max_budget: 1 })])

    expect(problemsOf(yaml)).toHaveLength(2)
    const overrides = { acceptUnsupported: ['model_list.litellm_params.max_budget'] }
    expect(problemsOf(yaml, { overrides })).toEqual([])
  })
})

describe('findings', () => {
  test('have the line of their key', () => {
    expect(
      verdictsOf(`model_list:
  - model_name: m
    litellm_params:
      model: openai/gpt
      api_key: sk-1
      mock_timeout: yes
      temprature: 1
router_settings:
  nmu_retries: 1
  num_retries: 1
general_settings:
  master_key: sk-1234567890123456
  custom_auth: a.b
`),
    ).toEqual([
      '2 HONOURED model_list[0].model_name',
      '4 HONOURED model_list[0].litellm_params.model',
      '5 HONOURED model_list[0].litellm_params.api_key',
      '6 IGNORED model_list[0].litellm_params.mock_timeout',
      '7 HONOURED model_list[0].litellm_params.temprature',
      '9 IGNORED router_settings.nmu_retries',
      '10 HONOURED router_settings.num_retries',
      '12 HONOURED general_settings.master_key',
      '13 REFUSED general_settings.custom_auth',
    ])
  })

  test('guess what an unknown key was to be', () => {
    const yaml = file([entry('m')], { router_settings: { nmu_retries: 1 } })

    expect(findingOf(yaml, 'router_settings.nmu_retries')?.message).toContain('did you mean "num_retries"?')
  })

  test('say which of two equal keys counts', () => {
    const yaml = 'model_list: []\nlitellm_settings:\n  cache: true\n  cache: false\n'
    const { compatibility = [] } = loadLitellm(yaml)

    expect(compatibility.filter(({ setting }) => setting.endsWith('cache'))).toMatchObject([
      {
        place: { line: 3 },
        message: 'duplicate key: the same key in line 4 of config.yaml counts, as in LiteLLM',
      },
      { place: { line: 4 } },
    ])
  })

  test('hold no secret', () => {
    const secret = 'Sup3r-s3cret-value'
    const yaml = file([entry('m', { api_key: secret, aws_secret_access_key: secret })], {
      general_settings: { master_key: secret, database_url: secret, custom_auth: secret },
      router_settings: { redis_password: secret },
      environment_variables: { A: secret },
    })
    const result = loadLitellm(yaml)

    expect(result.ok).toBe(false)
    expect(JSON.stringify(result)).not.toContain('s3cret')
  })
})

describe('files that are included', () => {
  const main =
    'include: [ sub/a.yaml ]\nmodel_list: [ { model_name: m, litellm_params: { model: gpt-4 } } ]\n'

  test('add to lists, replace sections, and are named in findings', () => {
    const a =
      'model_list:\n  - model_name: n\n    litellm_params: { model: gpt-4 }\nlitellm_settings: { cache: true }\n'
    const result = loadLitellm(`${main}litellm_settings: { num_retries: 3 }`, {}, { 'sub/a.yaml': a })

    expect(result.ok && result.config.models.map(({ name }) => name)).toEqual(['m', 'n'])
    expect(result.ok && result.config.modelDefaults).toEqual({})
    const places = result.compatibility?.map(
      ({ source, place, setting }) => `${source}:${place?.line} ${setting}`,
    )
    expect(places).toContain('sub/a.yaml:2 model_list[1].model_name')
    expect(places).toContain('sub/a.yaml:4 litellm_settings.cache')
    expect(places).toContain('config.yaml:3 litellm_settings')
  })

  test('must be there', () => {
    expect(problemsOf(main)).toEqual([
      'config.yaml:1:12: include: there is no file sub/a.yaml; paths start from the directory of config.yaml',
    ])
  })
})

test('what people paste from the documentation is explained', () => {
  const yaml = 'model_list: []\nrouter_settings:\n  fallbacks=[{"a": ["b"]}]\n  num_retries: 2\n'

  expect(problemsOf(yaml).join('\n')).toContain('write "fallbacks: […]" instead of "fallbacks=[…]"')
})

test('the imported file names variables that are not set, and says what was left out', () => {
  const directory = makeDirectory(
    file([entry('m', { api_key: 'os.environ/KEY' })], {
      general_settings: { master_key: 'os.environ/MASTER', custom_auth: 'a.b' },
    }),
  )
  const native = toNativeFile('millrace.yaml', { environment: {}, directory, providerSpecs })

  expect(native.ok && native.yaml).toContain('value: ${KEY}')
  expect(native.ok && native.yaml).toContain('key: ${MASTER}')
  expect(native.ok && native.yaml).toContain(
    '# refused: general_settings.custom_auth: this release runs no Python',
  )
})

test('every key has one finding, where parameters are shared and repeated too', () => {
  const yaml = file(
    [
      {
        ...entry('a', { rpm: 1, order: 1, litellm_credential_name: 'c' }, { order: 2, mode: 'chat' }),
        rpm: 2,
      },
      entry('b', { api_key: null }),
    ],
    {
      credential_list: [{ credential_name: 'c', credential_values: { api_base: 'http://127.0.0.1:1' } }],
      router_settings: { default_litellm_params: { timeout: 5, temperature: 1 }, fallbacks: null },
      general_settings: { master_key: 'os.environ/NONE', custom_auth: false },
      surprise: { a: 1 },
    },
  )
  const settings =
    loadLitellm(yaml)
      .compatibility?.filter(isWritten)
      .map(({ setting }) => setting) ?? []

  expect(settings.toSorted()).toEqual(
    [
      'credential_list[0].credential_name',
      'credential_list[0].credential_values.api_base',
      'general_settings.custom_auth',
      'general_settings.master_key',
      ...['model', 'api_key', 'rpm', 'order', 'litellm_credential_name'].map(
        (key) => `model_list[0].litellm_params.${key}`,
      ),
      'model_list[0].model_info.mode',
      'model_list[0].model_info.order',
      'model_list[0].model_name',
      'model_list[0].rpm',
      'model_list[1].litellm_params.api_key',
      'model_list[1].litellm_params.model',
      'model_list[1].model_name',
      'router_settings.default_litellm_params.temperature',
      'router_settings.default_litellm_params.timeout',
      'router_settings.fallbacks',
      'surprise',
    ].toSorted(),
  )
})

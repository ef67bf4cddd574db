import { describe, expect, test } from 'vitest'
import { providerSpecs } from '#libs/providers'
import { mustLoad, problemsOf } from './support.ts'

const azure =
  'providers: { cloud: { type: azure, base_url: "https://r.openai.azure.com", keys: [ { value: k } ]'

function providersOf(yaml: string | undefined, environment: Record<string, string> = {}) {
  return mustLoad(yaml, { environment, providerSpecs }).providers.filter(({ name }) => name !== 'sim')
}

describe('the options of a provider', () => {
  test('come from the file, and else from the variable that the vendor has for them', () => {
    const environment = { OPENAI_API_VERSION: '2024-10-21' }

    expect(providersOf(`${azure} } }`)[0]?.options).toEqual({})
    expect(providersOf(`${azure} } }`, environment)[0]?.options).toEqual({ api_version: '2024-10-21' })
    expect(providersOf(`${azure}, options: { api_version: preview } } }`, environment)[0]?.options).toEqual({
      api_version: 'preview',
    })
  })

  test('are refused where the type has none of that name, and where they could change a path', () => {
    expect(problemsOf(`${azure}, options: { version: a } } }`, { providerSpecs })).toEqual([
      expect.stringContaining('options.version: unknown option of type azure; it has api_version'),
    ])
    expect(problemsOf(`${azure}, options: { api_version: a/b } } }`, { providerSpecs })).toEqual([
      expect.stringContaining('options.api_version: must be 1 to 200 letters, digits, ., _ and -'),
    ])
  })

  test('are asked for where the type cannot do without', () => {
    const spec = {
      type: 'cloudy',
      needsKey: false,
      defaultBaseUrl: 'https://{region}.example.com',
      options: { region: { description: 'Where', variable: 'CLOUDY_REGION', required: true } },
    }
    const yaml = 'providers: { c: { type: cloudy } }'

    expect(problemsOf(yaml, { providerSpecs: [spec] })).toEqual([
      expect.stringContaining(
        'providers.c.options.region: is required: add options: { region: … }, or set the environment variable CLOUDY_REGION',
      ),
    ])
    expect(problemsOf(yaml, { providerSpecs: [spec], environment: { CLOUDY_REGION: 'north' } })).toEqual([])
  })
})

describe('the environment', () => {
  test.each([
    ['127.0.0.2', 'http://127.0.0.2:11434/v1'],
    ['127.0.0.2:80', 'http://127.0.0.2/v1'],
    ['0.0.0.0', 'http://127.0.0.1:11434/v1'],
    ['https://ollama.example.com/', 'https://ollama.example.com/v1'],
  ])('finds Ollama at %s, which needs no key', (host, baseUrl) => {
    expect(providersOf(undefined, { OLLAMA_HOST: host })).toMatchObject([
      { name: 'ollama', baseUrl: baseUrl, keys: [] },
    ])
  })

  test('finds a vendor that has no address of its own only together with one', () => {
    expect(providersOf(undefined, { AZURE_OPENAI_API_KEY: 'k' })).toEqual([])
    expect(
      providersOf(undefined, {
        AZURE_OPENAI_API_KEY: 'k',
        AZURE_OPENAI_ENDPOINT: 'https://r.openai.azure.com/openai/v1/',
      }),
    ).toMatchObject([{ name: 'azure', baseUrl: 'https://r.openai.azure.com' }])
  })

  test('finds every vendor by the variable that its own SDK reads', () => {
    const environment = Object.fromEntries(
      providerSpecs.flatMap((spec) =>
        spec.environment?.key === undefined ? [] : [[spec.environment.key, 'k']],
      ),
    )
    const found = providersOf(undefined, environment).map(({ type }) => type)

    expect(found).toEqual(
      expect.arrayContaining(['openai', 'mistral', 'groq', 'deepseek', 'openrouter', 'cohere']),
    )
  })
})

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

describe('the key of a provider', () => {
  const vertex = (value: unknown): string =>
    JSON.stringify({
      providers: { gcp: { type: 'vertex', options: { project: 'p-1' }, keys: [{ value }] } },
    })
  const account = { type: 'service_account', client_email: 'a@b', private_key: 'BEGIN KEY\nx\n' }

  test('is refused at the start where its type sees that it cannot be one, without repeating it', () => {
    const problems = ['{"type":"service_account","private_key":"s3cret"}', '{ s3cret', 's3 cret'].map(
      (value) => problemsOf(vertex(value), { providerSpecs }),
    )

    expect(problems).toEqual([
      [expect.stringContaining('keys[0].value: is a service account without client_email')],
      [expect.stringContaining('keys[0].value: must be valid JSON')],
      [expect.stringContaining('keys[0].value: must be the JSON of a service account, the path of its file')],
    ])
    expect(JSON.stringify(problems)).not.toMatch(/s3/)
    for (const value of ['/etc/google/the account.json', JSON.stringify(account, undefined, 2)]) {
      expect(problemsOf(vertex(value), { providerSpecs })).toEqual([])
    }
    expect(
      problemsOf(vertex('s3 cret').replace('vertex', 'groq').replace('"options":{"project":"p-1"},', ''), {
        providerSpecs,
      }),
    ).toEqual([
      expect.stringContaining('keys[0].value: must be printable ASCII without spaces or line breaks'),
    ])
  })
})

describe('the environment', () => {
  test('finds a vendor only together with the options that it cannot do without', () => {
    const environment = { GOOGLE_APPLICATION_CREDENTIALS: '/etc/account.json' }

    expect(providersOf(undefined, environment)).toEqual([])
    expect(providersOf(undefined, { ...environment, GOOGLE_CLOUD_PROJECT: 'p-1' })).toMatchObject([
      {
        name: 'vertex',
        options: { project: 'p-1', location: 'global' },
        keys: [{ value: '/etc/account.json' }],
      },
    ])
    expect(problemsOf('providers: { gcp: { type: vertex } }', { providerSpecs, environment })).toEqual([
      expect.stringContaining(
        'providers.gcp.options.project: is required: add options: { project: … }, or set the environment variable GOOGLE_CLOUD_PROJECT',
      ),
    ])
  })

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

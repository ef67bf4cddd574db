import OpenAI, { AzureOpenAI } from 'openai'
import { describe, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'
import type { JsonObject } from '../support/http.ts'

const key = 'sk-0123456789abcdef'
const prices = { input_per_million: 1, output_per_million: 2 }
const gateway = useGateway({
  config: {
    keys: [{ key, tenant: 'team', limits: { requests_per_minute: 600, tokens_per_minute: 90000 } }],
    general: { compat: 'litellm', key_header: 'X-Team-Key', direct_targets: false },
    providers: {
      slow: { timeouts: { first_byte_ms: 100 } },
      nowhere: { base_url: 'http://127.0.0.1:9/v1' },
    },
    models: [
      { name: 'house', targets: [{ provider: 'upstream', model: 'lorem?tokens=5', prices }] },
      { name: 'unpriced', targets: [{ provider: 'upstream', model: 'lorem?tokens=4' }] },
      { name: 'slow', targets: [{ provider: 'slow', model: 'lorem?ttft_ms=5000' }] },
      { name: 'nowhere', targets: [{ provider: 'nowhere', model: 'm' }] },
      { name: 'helped', targets: [{ provider: 'nowhere', model: 'm' }], fallbacks: { default: ['house'] } },
      { name: 'secret', hidden: true, targets: [{ provider: 'upstream', model: 'lorem' }] },
    ],
  },
})

const messages = [{ role: 'user' as const, content: 'Hello' }]

async function ask(path: string, body?: object, headers: Record<string, string> = { 'x-api-key': key }) {
  const response = await fetch(`${gateway().url}${path}`, {
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json', ...headers },
  })
  const text = await response.text()
  const litellm = [...response.headers].filter(([name]) => name.startsWith('x-litellm-'))
  return { status: response.status, text, headers: response.headers, litellm: Object.fromEntries(litellm) }
}

describe('the headers of LiteLLM', () => {
  test('are all on a whole answer', async () => {
    const { headers, litellm } = await ask('/v1/chat/completions', { model: 'house', messages })
    expect(litellm).toEqual({
      'x-litellm-call-id': headers.get('x-millrace-run'),
      'x-litellm-model-id': 'upstream/lorem?tokens=5',
      'x-litellm-model-group': 'house',
      'x-litellm-model-api-base': `${gateway().simulator.url}/v1`,
      'x-litellm-version': expect.stringMatching(/^\d+\.\d+\.\d+$/) as string,
      'x-litellm-response-cost': headers.get('x-millrace-cost'),
      'x-litellm-response-duration-ms': expect.stringMatching(/^\d+$/) as string,
      'x-litellm-overhead-duration-ms': expect.stringMatching(/^\d+$/) as string,
      'x-litellm-attempted-retries': '0',
      'x-litellm-attempted-fallbacks': '0',
      'x-litellm-key-rpm-limit': '600',
      'x-litellm-key-tpm-limit': '90000',
    })
    expect(Number(litellm['x-litellm-response-cost'])).toBeGreaterThan(0)
  })

  test('tell what it took to get an answer', async () => {
    const { litellm } = await ask('/v1/chat/completions', { model: 'helped', messages })
    expect(litellm).toMatchObject({
      'x-litellm-model-group': 'helped',
      'x-litellm-model-id': 'upstream/lorem?tokens=5',
      'x-litellm-attempted-fallbacks': '1',
    })
    expect(Number(litellm['x-litellm-attempted-retries'])).toBeGreaterThan(0)
    expect(Number(litellm['x-litellm-response-cost'])).toBeGreaterThan(0)
  })

  test('leave the cost out when it is not known, and so on a stream', async () => {
    const whole = await ask('/v1/chat/completions', { model: 'unpriced', messages })
    expect(whole.litellm).not.toHaveProperty('x-litellm-response-cost')
    const stream = await ask('/v1/chat/completions', { model: 'house', messages, stream: true })
    expect(stream.litellm).toMatchObject({
      'x-litellm-model-group': 'house',
      'x-litellm-model-id': 'upstream/lorem?tokens=5',
      'x-litellm-attempted-retries': '0',
    })
    expect(stream.litellm).not.toHaveProperty('x-litellm-response-cost')
  })
})

test.each([
  ['a model that is not there', 'nobody', 400, 'model_not_found'],
  ['a provider that is silent', 'slow', 408, 'upstream_timeout'],
  ['a provider that cannot be reached', 'nowhere', 500, 'upstream_unreachable'],
])('%s has the status of LiteLLM', async (_, model, status, code) => {
  const answer = await ask('/v1/chat/completions', { model, messages })
  expect(answer.status).toBe(status)
  expect((JSON.parse(answer.text) as JsonObject).error.code).toBe(code)
})

describe('a key is found', () => {
  test.each([
    ['in the header of the configuration', { 'x-team-key': key, authorization: 'Bearer other' }],
    ['in the header of LiteLLM', { 'x-litellm-api-key': `Bearer ${key}`, authorization: 'Bearer other' }],
    ['in the header of API Management', { 'ocp-apim-subscription-key': key }],
  ])('%s', async (_, headers) => {
    expect((await ask('/v1/models', undefined, headers)).status).toBe(200)
  })

  test('and one that is wrong there is not made good by another', async () => {
    const headers = { 'x-litellm-api-key': 'sk-wrong', authorization: `Bearer ${key}` }
    expect((await ask('/v1/models', undefined, headers)).status).toBe(401)
  })
})

describe('the routes of LiteLLM', () => {
  test('serve OpenAI’s client without a prefix', async () => {
    const client = new OpenAI({ baseURL: gateway().url, apiKey: key, maxRetries: 0 })
    const answer = await client.chat.completions.create({ model: 'house', messages })
    expect(answer.choices[0]?.message.content).toMatch(/^Lorem/)
    expect((await client.models.list()).data.map(({ id }) => id)).toContain('house')
    const { output_text: text } = await client.responses.create({ model: 'house', input: 'Hello' })
    expect(text).not.toBe('')
  })

  test('take the model from the path of an engine or a deployment', async () => {
    const { status, litellm } = await ask('/engines/house/chat/completions', { messages })
    expect([status, litellm['x-litellm-model-group']]).toEqual([200, 'house'])
    const azure = new AzureOpenAI({
      endpoint: gateway().url,
      apiKey: key,
      apiVersion: '2024-10-21',
      maxRetries: 0,
    })
    const answer = await azure.chat.completions.create({ model: 'house', messages })
    expect(answer.model).toBe('house')
  })

  test('tell of health without a key, and of models with one', async () => {
    for (const path of ['/health/liveliness', '/health/liveness']) {
      expect(await ask(path, undefined, {})).toMatchObject({ status: 200, text: '"I\'m alive!"' })
    }
    const ready = await ask('/health/readiness', undefined, {})
    expect([ready.status, JSON.parse(ready.text)]).toMatchObject([
      200,
      { status: 'healthy', db: 'Not connected' },
    ])
    expect((await ask('/model/info', undefined, {})).status).toBe(401)
    for (const path of ['/model/info', '/v1/model/info']) {
      const { data } = JSON.parse((await ask(path)).text) as { data: JsonObject[] }
      expect(data.map((model) => model.model_name)).toEqual([
        'house',
        'unpriced',
        'slow',
        'nowhere',
        'helped',
      ])
      expect(data[0]).toEqual({
        model_name: 'house',
        litellm_params: { model: 'upstream/lorem?tokens=5' },
        model_info: {
          id: 'upstream/lorem?tokens=5',
          db_model: false,
          input_cost_per_token: 0.000001,
          output_cost_per_token: 0.000002,
          cache_read_input_token_cost: null,
          cache_creation_input_token_cost: null,
        },
      })
    }
  })

  test('are not all there: what is missing is 404', async () => {
    expect((await ask('/key/generate', {})).status).toBe(404)
  })
})

import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI, { AzureOpenAI, toFile } from 'openai'
import { describe, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'
import { callApi } from '../support/http.ts'

const apiKey = 'key-of-the-client'
const gateway = useGateway({
  config: {
    keys: [{ key: apiKey, tenant: 'acme' }],
    providers: { sim: { type: 'simulator' } },
    models: [{ name: 'smart', targets: [{ provider: 'sim', model: 'lorem?tokens=4&gap_ms=0' }] }],
  },
})
const model = 'smart'
const messages = [{ role: 'user' as const, content: 'Hi' }]
const authorized = { authorization: `Bearer ${apiKey}` }

describe.each(['/openai/v1', '/openai'])('OpenAI’s client below %s', (mount) => {
  const client = (): OpenAI => new OpenAI({ apiKey, baseURL: gateway().url + mount, maxRetries: 0 })

  test('chats, and finds the answer again where it is told', async () => {
    const { data, response } = await client().chat.completions.create({ model, messages }).withResponse()
    expect(response.headers.get('location')).toBe(`${mount}/chat/completions/${data.id}`)
    expect(await client().chat.completions.retrieve(data.id)).toEqual(data)
  })

  test('gets responses, and continues them', async () => {
    const { data, response } = await client().responses.create({ model, input: 'Hi' }).withResponse()
    expect(response.headers.get('location')).toBe(`${mount}/responses/${data.id}`)
    const next = await client().responses.create({ model, input: 'On', previous_response_id: data.id })
    expect(next.previous_response_id).toBe(data.id)
  })

  test('lists models in its own shape, whoever’s headers it sends', async () => {
    const headers = { ...authorized, 'anthropic-version': '2023-06-01' }
    const { json } = await callApi(`${gateway().url + mount}/models`, { headers })
    expect(json).toMatchObject({ object: 'list' })
    expect((await client().models.retrieve(model)).id).toBe(model)
  })
})

describe('Azure’s client', () => {
  const client = (): AzureOpenAI =>
    new AzureOpenAI({ apiKey, endpoint: gateway().url, apiVersion: '2024-10-21', maxRetries: 0 })

  test.each([model, 'sim/lorem'])('asks the deployment %s', async (deployment) => {
    const { data, response } = await client()
      .chat.completions.create({ model: deployment, messages })
      .withResponse()
    expect(data.model).toBe(deployment)
    const location = response.headers.get('location') ?? ''
    expect(location).toBe(`/openai/deployments/${encodeURIComponent(deployment)}/chat/completions/${data.id}`)
    const again = await callApi(gateway().url + location, { headers: { 'api-key': apiKey } })
    expect(again.json).toEqual(data)
  })

  test('speaks and listens', async () => {
    const { audio } = client()
    const speech = await audio.speech.create({ model, voice: 'alloy', input: 'Hi' })
    const file = await toFile(speech, 'hi.wav')
    expect(speech.headers.get('content-type')).toBe('audio/wav')
    expect((await audio.transcriptions.create({ model, file })).text).toMatch(/^Lorem ipsum/)
  })

  test('streams', async () => {
    const stream = client().chat.completions.stream({ model, messages })
    expect((await stream.finalChatCompletion()).choices[0]?.finish_reason).toBe('stop')
  })

  test('need not tell the model in the body, and is not believed there', async () => {
    const url = `${gateway().url}/openai/deployments/${encodeURIComponent('sim/lorem')}/chat/completions?api-version=1`
    for (const body of [{ messages }, { model: 'no-such-model', messages }]) {
      const { status, json } = await callApi(url, { body, headers: { 'api-key': apiKey } })
      expect(status).toBe(200)
      expect(json.model).toBe('sim/lorem')
    }
  })

  test('gets embeddings', async () => {
    const { data } = await client().embeddings.create({ model: 'sim/lorem', input: ['a', 'b'] })
    expect(data).toHaveLength(2)
  })

  test('gets responses', async () => {
    expect((await client().responses.create({ model, input: 'Hi' })).status).toBe('completed')
  })
})

test('Anthropic’s client works below /anthropic, and is told to look there again', async () => {
  const client = new Anthropic({ apiKey, baseURL: `${gateway().url}/anthropic`, maxRetries: 0 })
  const { data, response } = await client.messages.create({ model, max_tokens: 10, messages }).withResponse()
  expect(response.headers.get('location')).toBe(`/anthropic/v1/messages/${data.id}`)
  expect((await client.models.retrieve(model)).type).toBe('model')
})

test.each(['', '/genai'])('Google’s client works below "%s", and lists models', async (mount) => {
  const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: gateway().url + mount } })
  expect((await client.models.generateContent({ model, contents: 'Hi' })).text).toMatch(/\w/)
  const names: (string | undefined)[] = []
  for await (const each of await client.models.list()) names.push(each.name)
  expect(names).toContain('models/smart')
  expect((await client.models.get({ model })).displayName).toBe(model)
})

describe('a key', () => {
  test.each([
    ['authorization', `Bearer ${apiKey}`],
    ['x-api-key', apiKey],
    ['api-key', apiKey],
    ['x-goog-api-key', apiKey],
  ])('is read from %s, at every mount', async (name, value) => {
    for (const path of ['/v1/models', '/openai/models', '/anthropic/v1/models', '/genai/v1beta/models']) {
      expect(await callApi(gateway().url + path, { headers: { [name]: value } })).toMatchObject({
        status: 200,
      })
    }
  })
})

describe.each([
  ['/openai/v1', { error: { code: expect.any(String) as string, param: null } }],
  ['/openai/deployments/x', { error: { code: expect.any(String) as string } }],
  ['/anthropic/v1', { type: 'error', error: { type: expect.any(String) as string } }],
  ['/genai/v1beta', { error: { code: expect.any(Number) as number, status: expect.any(String) as string } }],
  ['/v1/generate', { type: 'error', class: expect.any(String) as string }],
])('below %s', (mount, envelope) => {
  test('what is not there is told in the mount’s own words', async () => {
    const { status, json } = await callApi(`${gateway().url + mount}/no/such/thing`, { headers: authorized })
    expect(status).toBe(404)
    expect(json).toMatchObject(envelope)
  })

  test('a path that can’t be read is as well', async () => {
    const { status, json } = await callApi(`${gateway().url + mount}/%zz`, { headers: authorized })
    expect(status).toBe(400)
    expect(json).toMatchObject(envelope)
  })
})

test('nothing of another gateway’s is there unless it is asked for', async () => {
  for (const path of ['/models', '/model/info', '/v1/model/info', '/health/liveliness']) {
    const { status } = await callApi(gateway().url + path, { headers: authorized })
    expect(status, path).toBe(404)
  }
  const { headers } = await callApi(`${gateway().url}/v1/models`, { headers: authorized })
  expect([...headers.keys()].filter((name) => name.startsWith('x-litellm-'))).toEqual([])
})

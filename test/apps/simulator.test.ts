import OpenAI, { type APIError } from 'openai'
import { afterEach, describe, expect, test } from 'vitest'
import { planAnswer } from '#libs/providers'
import { startSimulator } from '../support/simulator.ts'
import type { TestSimulator } from '../support/simulator.ts'

const messages = [{ role: 'user' as const, content: 'Say something.' }]
const weather = {
  type: 'function' as const,
  function: {
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}
const expectedText = planAnswer(
  {
    system: [],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Say something.' }] }],
    tools: [],
  },
  { tokens: 64 },
).words.join('')

let simulator: TestSimulator
afterEach(() => simulator.close())

async function open(options: Parameters<typeof startSimulator>[0] = {}): Promise<OpenAI> {
  simulator = await startSimulator(options)
  return new OpenAI({ baseURL: `${simulator.url}/v1`, apiKey: 'sk-simulated', maxRetries: 0 })
}

describe('the simulator, to the openai client', () => {
  test('lists its model', async () => {
    const client = await open()

    const models = await Array.fromAsync(client.models.list())

    expect(models.map(({ id }) => id)).toEqual(['lorem'])
  })

  test('answers as a whole with its usage', async () => {
    const client = await open()

    const answer = await client.chat.completions.create({ model: 'lorem', messages })

    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'lorem',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: expectedText } }],
      usage: { completion_tokens: 64 },
    })
    expect(answer.id).toMatch(/^chatcmpl-sim/)
    expect(answer.usage!.total_tokens).toBe(answer.usage!.prompt_tokens + 64)
    expect(answer._request_id).toBe('req_sim0')
  })

  test('streams a role, a chunk a token, a finish and no usage unless asked', async () => {
    const client = await open()

    const chunks = await Array.fromAsync(
      await client.chat.completions.create({ model: 'lorem', messages, stream: true }),
    )

    expect(chunks).toHaveLength(1 + 64 + 1)
    expect(chunks[0]!.choices[0]).toMatchObject({
      delta: { role: 'assistant', content: '' },
      finish_reason: null,
    })
    expect(chunks.map((chunk) => chunk.choices[0]!.delta.content ?? '').join('')).toBe(expectedText)
    expect(chunks.at(-1)!.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' })
    expect(chunks.every((chunk) => !('usage' in chunk) && chunk.id === chunks[0]!.id)).toBe(true)
  })

  test('streams the usage in a last chunk without choices when asked', async () => {
    const client = await open()

    const chunks = await Array.fromAsync(
      await client.chat.completions.create({
        model: 'lorem?tokens=3',
        messages,
        stream: true,
        stream_options: { include_usage: true },
      }),
    )

    expect(chunks.map(({ usage }) => usage?.completion_tokens ?? null)).toEqual([
      null,
      null,
      null,
      null,
      null,
      3,
    ])
    expect(chunks.at(-1)!.choices).toEqual([])
  })

  test('stops at max_tokens', async () => {
    const client = await open()

    const answer = await client.chat.completions.create({ model: 'lorem', messages, max_tokens: 2 })

    expect(answer.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'Lorem ipsum' } })
    expect(answer.usage!.completion_tokens).toBe(2)
  })

  test('calls a tool, and talks once the tool has answered', async () => {
    const client = await open()

    const call = await client.chat.completions
      .stream({ model: 'lorem', messages, tools: [weather] })
      .finalChatCompletion()
    const [toolCall] = call.choices[0]!.message.tool_calls!
    const answer = await client.chat.completions.create({
      model: 'lorem',
      tools: [weather],
      messages: [
        ...messages,
        call.choices[0]!.message,
        { role: 'tool', tool_call_id: toolCall!.id, content: 'rain' },
      ],
    })

    expect(call.choices[0]!.finish_reason).toBe('tool_calls')
    expect(toolCall).toMatchObject({
      type: 'function',
      function: { name: 'weather', arguments: '{"city":"lorem"}' },
    })
    expect(answer.choices[0]!.finish_reason).toBe('stop')
  })

  test('gives the same tool call as a whole', async () => {
    const client = await open()

    const answer = await client.chat.completions.create({
      model: 'lorem',
      messages,
      tools: [weather],
      tool_choice: { type: 'function', function: { name: 'weather' } },
    })

    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: {
        content: null,
        tool_calls: [{ function: { name: 'weather', arguments: '{"city":"lorem"}' } }],
      },
    })
  })

  test('answers in JSON that follows the schema', async () => {
    const client = await open()
    const schema = {
      type: 'object',
      properties: { age: { type: 'integer', minimum: 18 } },
      required: ['age'],
    }

    const answer = await client.chat.completions.create({
      model: 'lorem',
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'person', schema } },
    })

    expect(JSON.parse(answer.choices[0]!.message.content!)).toEqual({ age: 18 })
  })

  test.each([
    [{ model: 'gpt-4o' }, 404, 'model_not_found', 'model'],
    [{ model: 'lorem?speed=9' }, 400, 'invalid_request', 'model'],
    [{ messages: [] }, 400, 'invalid_request', 'messages'],
    [{ messages: [{ role: 'wizard', content: '' }] }, 400, 'invalid_request', 'messages[0].role'],
    [{ max_tokens: 0 }, 400, 'invalid_request', 'max_tokens'],
    [{ n: 2 }, 400, 'invalid_request', 'n'],
    [{ stream: 'yes' }, 400, 'invalid_request', 'stream'],
    [{ stream_options: { include_usage: true } }, 400, 'invalid_request', 'stream_options'],
    [{ tools: [{}] }, 400, 'invalid_request', 'tools[0].function.name'],
  ])('refuses %j', async (fields, status, code, param) => {
    const client = await open()
    const body = { model: 'lorem', messages, ...fields } as OpenAI.ChatCompletionCreateParamsNonStreaming

    await expect(client.chat.completions.create(body)).rejects.toMatchObject({ status, code, param })
    expect(simulator.journal().totals).toMatchObject({ calls: 0, closedBy: { refused: 1 } })
  })

  test('refuses a body that is not JSON and a path that it does not know', async () => {
    await open()

    const notJson = await fetch(`${simulator.url}/v1/chat/completions`, { method: 'POST', body: '{"model":' })
    const nowhere = await fetch(`${simulator.url}/v1/nowhere`, { method: 'POST' })

    expect(notJson.status).toBe(400)
    expect(await notJson.json()).toMatchObject({ error: { code: 'invalid_json', param: null } })
    expect(nowhere.status).toBe(404)
    expect(await nowhere.json()).toMatchObject({ error: { code: 'route_not_found' } })
  })
})

describe('a key or a limit of the simulator', () => {
  test('answers 401 to a key that it was not started with', async () => {
    const client = await open({ requiredKeys: ['sk-another-key'] })

    await expect(client.chat.completions.create({ model: 'lorem', messages })).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    )
    await client
      .withOptions({ apiKey: 'sk-another-key' })
      .chat.completions.create({ model: 'lorem', messages })
    expect(simulator.journal().entries.map(({ status, keyEnding }) => [status, keyEnding])).toEqual([
      [401, 'ated'],
      [200, '-key'],
    ])
  })

  test('answers 429 beyond the number of calls that it takes at once', async () => {
    const client = await open({ concurrencyLimit: 1 })
    const held = await client.chat.completions.create({
      model: 'lorem?fail=stall&at=1',
      messages,
      stream: true,
    })

    await expect(client.chat.completions.create({ model: 'lorem', messages })).rejects.toMatchObject({
      status: 429,
    })
    held.controller.abort()
    await simulator.idle()
    await client.chat.completions.create({ model: 'lorem', messages })
    expect(simulator.journal().totals).toMatchObject({ calls: 2, maxInFlight: 1, closedBy: { refused: 1 } })
  })

  test('keeps each API key to its requests of any 60 seconds, and says what is left', async () => {
    const client = (await open({ keyLimits: { requestsPerMinute: 2 } })).withOptions({ maxRetries: 0 })
    const ask = (apiKey: string) =>
      client.withOptions({ apiKey }).chat.completions.create({ model: 'lorem', messages }).withResponse()

    const { response } = await ask('sk-first')
    await ask('sk-first')

    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('2')
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('1')
    expect(response.headers.get('x-ratelimit-reset-requests')).toMatch(/^\d{5}ms$/)
    const refusal = await ask('sk-first').catch((error: APIError) => error)
    expect(refusal).toMatchObject({ status: 429, code: 'rate_limit_exceeded' })
    expect(Number((refusal as APIError).headers?.get('retry-after'))).toBeGreaterThan(55)
    await ask('sk-other')
    expect(simulator.journal().keys).toMatchObject({
      irst: { calls: 2, refused: 1, maxRequestsPerMinute: 2 },
      ther: { calls: 1, refused: 0, maxRequestsPerMinute: 1 },
    })
  })

  test('keeps each API key to its tokens of any 60 seconds', async () => {
    const client = (await open({ keyLimits: { tokensPerMinute: 30 } })).withOptions({ maxRetries: 0 })
    const ask = () => client.chat.completions.create({ model: 'lorem?tokens=10', messages })

    const { usage } = await ask()
    const fitting = Math.floor(30 / usage!.total_tokens)
    for (let calls = 1; calls < fitting; calls++) await ask()

    await expect(ask()).rejects.toMatchObject({ status: 429 })
    const [totals] = Object.values(simulator.journal().keys)
    expect(totals).toMatchObject({
      calls: fitting,
      refused: 1,
      maxTokensPerMinute: fitting * usage!.total_tokens,
    })
  })
})

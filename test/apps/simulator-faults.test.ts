import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startSimulator } from '../support/simulator.ts'
import type { TestSimulator } from '../support/simulator.ts'

const messages = [{ role: 'user' as const, content: 'Say something.' }]

let simulator: TestSimulator
let client: OpenAI
beforeEach(async () => {
  simulator = await startSimulator()
  client = new OpenAI({ baseURL: `${simulator.url}/v1`, apiKey: 'sk-simulated', maxRetries: 0 })
})
afterEach(() => simulator.close())

describe('a fault', () => {
  test.each([400, 401, 429, 500, 503, 529])('answers with status %i', async (status) => {
    const error = await failureOf({ model: `lorem?fail=${status}&retry_after_ms=1500`, stream: true })

    if (!(error instanceof OpenAI.APIError)) throw error
    expect(error).toMatchObject({ status, param: null })
    expect(error.headers?.get('retry-after')).toBe('2')
    expect(error.headers?.get('retry-after-ms')).toBe('1500')
    expect(simulator.journal()).toMatchObject({
      totals: { closedBy: { fault: 1 } },
      entries: [{ status, tokens: 0 }],
    })
  })

  test('is retried by the client like any other', async () => {
    const retrying = client.withOptions({ maxRetries: 2 })

    await expect(
      retrying.chat.completions.create({ model: 'lorem?fail=429&retry_after_ms=1', messages }),
    ).rejects.toMatchObject({ code: 'rate_limit_exceeded' })
    const { prompts } = simulator.journal()
    expect(prompts.distinct).toBe(1)
    expect(Object.values(prompts.repeated)).toEqual([3])
  })

  test('is over after as many calls of a prompt as it says', async () => {
    const retrying = client.withOptions({ maxRetries: 2 })

    const model = 'lorem?tokens=1&fail=503&times=2&retry_after_ms=1'
    const answer = await retrying.chat.completions.create({ model, messages })

    expect(answer.choices[0]!.message.content).toBe('Lorem.')
    expect(simulator.journal().entries.map(({ status }) => status)).toEqual([503, 503, 200])
  })

  test.each([true, false])('resets the connection before an answer (stream: %s)', async (stream) => {
    expect(await failureOf({ model: 'lorem?fail=reset', stream })).toBeInstanceOf(OpenAI.APIConnectionError)
    expect(simulator.journal().entries[0]).toMatchObject({ status: null, closedBy: 'fault' })
  })

  test('resets the connection in the middle of a stream, after the tokens before it', async () => {
    const { text, error } = await read('lorem?fail=reset&at=2')

    expect(text).toBe('Lorem ipsum')
    expect(error).toBeInstanceOf(Error)
    expect(simulator.journal().entries[0]).toMatchObject({ status: 200, tokens: 2, closedBy: 'fault' })
  })

  test.each([
    ['error', 'server_error'],
    ['429', 'rate_limit_error'],
  ])('sends %s as an event of a stream that has begun', async (kind, type) => {
    const { text, error } = await read(`lorem?fail=${kind}&at=2`)

    expect(text).toBe('Lorem ipsum')
    expect(error).toMatchObject({ type })
  })

  test('truncates a stream without a finish', async () => {
    const { text, error, finishes } = await read('lorem?fail=truncate&at=2')

    expect({ text, error, finishes }).toEqual({ text: 'Lorem ipsum', error: undefined, finishes: [] })
    expect(simulator.journal().totals.closedBy).toMatchObject({ fault: 1, finished: 0 })
  })

  test.each(['truncate', 'reset'])('cuts a whole answer in half by %s', async (kind) => {
    const response = await fetch(`${simulator.url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: `lorem?fail=${kind}&at=2`, messages }),
    })

    expect(response.status).toBe(200)
    await expect(response.json()).rejects.toThrow()
  })

  test('stalls in the middle of a stream until the client leaves', async () => {
    const stream = await client.chat.completions.create({
      model: 'lorem?fail=stall&at=1',
      messages,
      stream: true,
    })

    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content === 'Lorem') break
    }
    await simulator.idle()
    expect(simulator.journal().entries[0]).toMatchObject({ tokens: 1, closedBy: 'client' })
  })

  test('stalls before the first byte until the client leaves', async () => {
    const error = await client.chat.completions
      .create({ model: 'lorem?fail=stall', messages, stream: true }, { timeout: 50 })
      .catch((caught: unknown) => caught)

    await simulator.idle()
    expect(error).toBeInstanceOf(OpenAI.APIConnectionTimeoutError)
    expect(simulator.journal().entries[0]).toMatchObject({ status: null, tokens: 0, closedBy: 'client' })
  })
})

async function failureOf({ model, stream }: { model: string; stream: boolean }): Promise<unknown> {
  try {
    await client.chat.completions.create({ model, messages, stream })
  } catch (error) {
    return error
  }
  throw new Error('The call was expected to fail.')
}

async function read(model: string) {
  const result = { text: '', finishes: [] as string[], error: undefined as unknown }
  try {
    for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
      const choice = chunk.choices[0]
      result.text += choice?.delta.content ?? ''
      if (choice?.finish_reason) result.finishes.push(choice.finish_reason)
    }
  } catch (error) {
    result.error = error
  }
  return result
}

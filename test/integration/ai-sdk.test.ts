import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogle } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, jsonSchema, Output, streamText, tool, type LanguageModel } from 'ai'
import { beforeEach, describe, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'

/** The AI SDK as a client, by each of its providers: the simulator stands behind all of them. */
const gateway = useGateway({ config: { keys: [{ key: 'sk-first', tenant: 'first' }] } })
beforeEach(async () => {
  await gateway().simulator.idle()
  gateway().simulator.reset()
})
const calls = () => gateway().simulator.journal().totals.calls

const at = (path: string) => ({ apiKey: 'sk-first', baseURL: gateway().url + path })
const providers: Record<string, (model: string) => LanguageModel> = {
  'openai, Responses': (model) => createOpenAI(at('/v1')).responses(model),
  'openai, chat': (model) => createOpenAI(at('/v1')).chat(model),
  'openai-compatible': (model) =>
    createOpenAICompatible({
      name: 'millrace',
      includeUsage: true,
      supportsStructuredOutputs: true,
      ...at('/v1'),
    })(model),
  anthropic: (model) => createAnthropic(at('/v1'))(model),
  // It writes the name into the path as it is, and would make a query of what is behind a question mark.
  google: (model) => createGoogle(at('/v1beta'))(encodeURI(model).replace('?', '%3F')),
}
const weather = tool({
  description: 'The weather of a city',
  inputSchema: jsonSchema<{ city: string }>({
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  }),
  execute: ({ city }) => `${city} is dry`,
})
const redDot =
  'iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg=='

describe.each(Object.entries(providers))('the AI SDK by its provider %s', (_name, model) => {
  const prompt = 'Hello'

  test('gets an answer and its usage', async () => {
    const { text, finishReason, usage } = await generateText({
      model: model('upstream/lorem?tokens=12'),
      prompt,
    })
    expect(text).toMatch(/^Lorem ipsum/)
    expect(finishReason).toBe('stop')
    expect(usage).toMatchObject({ outputTokens: 12 })
  })

  test('streams', async () => {
    const result = streamText({ model: model('upstream/lorem?tokens=12'), prompt })
    const pieces: string[] = []
    for await (const piece of result.textStream) pieces.push(piece)
    expect(pieces.join('')).toMatch(/^Lorem ipsum/)
    expect(pieces.length).toBeGreaterThan(1)
    expect(await result.finishReason).toBe('stop')
    expect(await result.usage).toMatchObject({ outputTokens: 12 })
  })

  test('is cut off where the client wants it', async () => {
    const result = await generateText({
      model: model('upstream/lorem?tokens=50'),
      prompt,
      maxOutputTokens: 16,
    })
    expect(result.finishReason).toBe('length')
    expect(result.usage.outputTokens).toBe(16)
  })

  test.each(['whole', 'streamed'])('calls a tool, and answers with its result (%s)', async (form) => {
    const options = { model: model('upstream/lorem?tokens=8'), prompt, tools: { weather } }
    const stopWhen = ({ steps }: { steps: unknown[] }): boolean => steps.length === 2
    const steps =
      form === 'whole'
        ? (await generateText({ ...options, stopWhen })).steps
        : await streamText({ ...options, stopWhen }).steps
    expect(steps[0]?.toolCalls).toMatchObject([{ toolName: 'weather', input: { city: expect.any(String) } }])
    expect(steps[0]?.toolResults).toMatchObject([{ output: expect.stringMatching(/ is dry$/) }])
    expect(steps[1]?.text).toMatch(/^Lorem ipsum/)
    expect(calls()).toBe(2)
  })

  test('gets an answer of a given form', async () => {
    const schema = jsonSchema<{ colour: string }>({
      type: 'object',
      properties: { colour: { type: 'string' } },
      required: ['colour'],
      additionalProperties: false,
    })
    const { output } = await generateText({
      model: model('upstream/lorem'),
      prompt,
      output: Output.object({ schema }),
    })
    expect(output).toEqual({ colour: expect.any(String) })
  })

  test('shows a picture', async () => {
    const { text } = await generateText({
      model: model('upstream/lorem?tokens=3'),
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'file', data: redDot, mediaType: 'image/png' },
          ],
        },
      ],
    })
    expect(text).toMatch(/^Lorem ipsum/)
    expect(JSON.stringify(gateway().simulator.journal())).not.toContain(redDot)
  })

  test('is told what is wrong, and does not come again for it', async () => {
    const asking = generateText({ model: model('nope'), prompt })
    const error = await asking.catch((thrown: unknown) => thrown)
    expect(APICallError.isInstance(error)).toBe(true)
    expect(error).toMatchObject({ statusCode: 404, isRetryable: false })
    expect(calls()).toBe(0)
  })

  test('comes again when the provider has a bad moment', async () => {
    const busy = model('upstream/lorem?tokens=3&fail=429&retry_after_ms=300&times=1')
    const { text } = await generateText({ model: busy, prompt })
    expect(text).toMatch(/^Lorem ipsum/)
    expect(calls()).toBe(2)
  })

  test('notices a stream that breaks off', async () => {
    const model5 = model('upstream/lorem?tokens=20&fail=truncate&at=5')
    const errors: unknown[] = []
    const result = streamText({ model: model5, prompt, onError: ({ error }) => void errors.push(error) })
    const kinds: string[] = []
    for await (const { type } of result.fullStream) kinds.push(type)
    expect(kinds).toContain('error')
    expect(errors).toHaveLength(1)
  })

  test('can leave, and the run goes on', async () => {
    const aborting = new AbortController()
    const asking = generateText({
      model: model('upstream/lorem?tokens=30&gap_ms=10'),
      prompt,
      abortSignal: aborting.signal,
    })
    setTimeout(() => aborting.abort(), 100)
    await expect(asking).rejects.toMatchObject({ name: 'AbortError' })
    await expect
      .poll(() => gateway().simulator.journal().totals, { timeout: 10_000 })
      .toMatchObject({ calls: 1, closedBy: { finished: 1 } })
  })
})

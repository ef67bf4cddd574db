import OpenAI, { APIUserAbortError, BadRequestError, NotFoundError } from 'openai-6'
import { beforeEach, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'

/** The `openai` package of the major version before: many have not moved on yet. */
const gateway = useGateway({ config: { keys: [{ key: 'sk-first', tenant: 'first' }] } })
let client: OpenAI
beforeEach(async () => {
  await gateway().simulator.idle()
  gateway().simulator.reset()
  client = new OpenAI({ apiKey: 'sk-first', baseURL: `${gateway().url}/v1` })
})
const model = 'upstream/lorem?tokens=12'
const messages = [{ role: 'user' as const, content: 'Hello' }]
const calls = () => gateway().simulator.journal().totals.calls

test('gets an answer, whole and streamed', async () => {
  const whole = await client.chat.completions.create({ model, messages })
  expect(whole).toMatchObject({ choices: [{ finish_reason: 'stop' }], usage: { completion_tokens: 12 } })
  const runner = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } })
  const streamed = await runner.finalChatCompletion()
  expect(streamed.choices[0]?.message.content).toBe(whole.choices[0]?.message.content)
  expect(await runner.totalUsage()).toMatchObject({ completion_tokens: 12 })
})

test('runs tools', async () => {
  const runner = client.chat.completions.runTools({
    model,
    messages,
    tools: [
      {
        type: 'function',
        function: {
          name: 'weather',
          description: 'The weather of a city',
          parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
          parse: JSON.parse,
          function: ({ city }: { city: string }) => `${city} is dry`,
        },
      },
    ],
  })
  expect(await runner.finalContent()).toMatch(/^Lorem ipsum/)
  expect(await runner.finalFunctionToolCallResult()).toMatch(/ is dry$/)
  expect(calls()).toBe(2)
})

test('gets an answer of a given form, and shows a picture', async () => {
  const schema = { type: 'object', properties: { colour: { type: 'string' } }, required: ['colour'] }
  const { choices } = await client.chat.completions.parse({
    model,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Which colour?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
        ],
      },
    ],
    response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } },
  })
  expect(JSON.parse(choices[0]?.message.content ?? '')).toEqual({ colour: expect.any(String) })
})

test('gets a response, whole, streamed, and in the background', async () => {
  const whole = await client.responses.create({ model, input: 'Hello' })
  expect(whole).toMatchObject({ status: 'completed', output_text: expect.stringMatching(/^Lorem ipsum/) })
  const streamed = await client.responses.stream({ model, input: 'Hello' }).finalResponse()
  expect(streamed.output_text).toBe(whole.output_text)
  const { id } = await client.responses.create({ model, input: 'Hello', background: true })
  await expect
    .poll(() => client.responses.retrieve(id), { timeout: 10_000 })
    .toMatchObject({ status: 'completed', output_text: whole.output_text })
  expect(await client.responses.cancel(id)).toMatchObject({ id, status: 'completed' })
})

test('embeds', async () => {
  const { data } = await client.embeddings.create({ model: 'upstream/lorem', input: ['a', 'b'] })
  expect(data.map(({ embedding }) => embedding.length)).toEqual([256, 256])
})

test('leaves, and its run goes on', async () => {
  const aborting = new AbortController()
  const slow = { model: 'upstream/lorem?tokens=30&gap_ms=10', messages }
  const asking = client.chat.completions.create(slow, { signal: aborting.signal })
  setTimeout(() => aborting.abort(), 100)
  await expect(asking).rejects.toThrow(APIUserAbortError)
  await expect
    .poll(() => gateway().simulator.journal().totals, { timeout: 10_000 })
    .toMatchObject({ calls: 1, closedBy: { finished: 1 } })
})

test('is told what is wrong by its own classes of errors', async () => {
  const asking = (fields: object) => client.chat.completions.create({ model, messages, ...fields })
  await expect(asking({ model: 'nope' })).rejects.toThrow(NotFoundError)
  await expect(asking({ messages: [] })).rejects.toThrow(BadRequestError)
  expect(calls()).toBe(0)
  const broken = { model: 'upstream/lorem?tokens=20&fail=truncate&at=5', messages, stream: true as const }
  const stream = await client.chat.completions.create(broken)
  const reading = (async () => {
    for await (const { choices } of stream) expect(choices).toHaveLength(1)
  })()
  await expect(reading).rejects.toMatchObject({ code: 'upstream_incomplete' })
})

test('comes again after a 429, when the provider says', async () => {
  const busy = 'upstream/lorem?tokens=3&fail=429&retry_after_ms=300&times=1'
  const { choices } = await client.chat.completions.create({ model: busy, messages })
  expect(choices[0]?.finish_reason).toBe('stop')
  expect(calls()).toBe(2)
})

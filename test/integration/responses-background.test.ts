import OpenAI from 'openai'
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses'
import { describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi } from '../support/http.ts'

const gateway = useGateway({
  apis: 2,
  config: {
    providers: { narrow: { type: 'simulator', base_url: undefined, concurrency: 1 } },
  },
})

const slow = 'sim/lorem?tokens=200&gap_ms=20'

function client(api = 0): OpenAI {
  return new OpenAI({ apiKey: 'none', baseURL: `${gateway().apis[api]?.url}/v1`, maxRetries: 0 })
}

async function readAll(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = []
  for await (const event of stream) events.push(event)
  return events
}

async function untilEnded(id: string): Promise<Response> {
  let response = await client().responses.retrieve(id)
  await eventually(`${id} has ended`, async () => {
    response = await client().responses.retrieve(id)
    return response.status !== 'queued' && response.status !== 'in_progress'
  })
  return response
}

describe('a response in the background', () => {
  test('is queued, shows what it has so far, and completes', async () => {
    const queued = await client().responses.create({
      model: 'sim/lorem?tokens=40&gap_ms=20',
      input: 'x',
      background: true,
      metadata: { a: 'b' },
    })
    expect(queued).toMatchObject({ status: 'queued', background: true, metadata: { a: 'b' }, output: [] })
    await eventually('some of it is there', async () => {
      const now = await client(1).responses.retrieve(queued.id)
      return now.status === 'in_progress' && now.output_text !== ''
    })
    const done = await untilEnded(queued.id)
    expect(done).toMatchObject({ status: 'completed', background: true, usage: { output_tokens: 40 } })
  })

  test('streams from its start, goes on without its reader, and is taken up again', async () => {
    const stream = await client().responses.create({
      model: 'sim/lorem?tokens=40&gap_ms=10',
      input: 'x',
      background: true,
      stream: true,
    })
    let id = ''
    for await (const event of stream) {
      expect(event).toMatchObject({
        type: 'response.created',
        sequence_number: 0,
        response: { status: 'queued' },
      })
      if (event.type === 'response.created') id = event.response.id
      break
    }
    const rest = await readAll(await client(1).responses.retrieve(id, { stream: true, starting_after: 0 }))
    expect(rest.map((event) => event.sequence_number)).toEqual([...rest.keys()].map((index) => index + 1))
    expect(rest.slice(0, 2).map(({ type }) => type)).toEqual(['response.queued', 'response.in_progress'])
    expect(rest.at(-1)).toMatchObject({ type: 'response.completed', response: { id, background: true } })
  })

  test('is the same one for the same idempotency key', async () => {
    const ask = () =>
      client().responses.create(
        { model: 'sim/lorem?tokens=2', input: 'x', background: true },
        { headers: { 'Idempotency-Key': 'background-1' } },
      )
    const first = await ask()
    expect((await ask()).id).toBe(first.id)
    await untilEnded(first.id)
  })

  test('that fails is an object too, with its error in it', async () => {
    const queued = await client().responses.create({
      model: 'sim/lorem?fail=400',
      input: 'x',
      background: true,
      user: 'u',
    })
    expect(await untilEnded(queued.id)).toMatchObject({
      status: 'failed',
      user: 'u',
      output: [],
      error: { code: 'invalid_request', message: /failed with 400/ },
    })
    const next = { model: 'sim/lorem', input: 'x', previous_response_id: queued.id }
    await expect(client().responses.create(next)).rejects.toMatchObject({
      status: 400,
      message: /has failed/,
    })
  })
})

describe('cancelling', () => {
  test('ends a response with what it has said, for its readers too, and again gives the same', async () => {
    const stream = await client().responses.create({
      model: slow,
      input: 'x',
      background: true,
      stream: true,
    })
    const seen: ResponseStreamEvent[] = []
    let cancelled: Promise<Response> | undefined
    for await (const event of stream) {
      seen.push(event)
      if (event.type === 'response.output_text.delta') {
        cancelled ??= client(1).responses.cancel((seen[0] as { response: Response }).response.id)
      }
    }
    const final = await cancelled
    expect(final).toMatchObject({
      status: 'cancelled',
      incomplete_details: { reason: 'cancelled' },
      error: null,
      output: [{ status: 'incomplete' }],
    })
    expect(seen.at(-1)).toMatchObject({ type: 'response.incomplete', response: { status: 'cancelled' } })
    expect(await client().responses.cancel(final?.id ?? '')).toEqual(final)
    const { output_text: text, ...same } = await client().responses.retrieve(final?.id ?? '')
    expect(same).toEqual(final)
    expect(text).not.toBe('')
    const replayed = client().responses.stream({ response_id: final?.id ?? '' })
    expect((await replayed.finalResponse()).status).toBe('cancelled')
  })

  test('takes a response out of the queue before anyone has begun it', async () => {
    const model = 'narrow/lorem?tokens=200&gap_ms=20'
    const busy = await client().responses.create({ model, input: 'x', background: true })
    await eventually('the first is carried', async () => {
      return (await client().responses.retrieve(busy.id)).status === 'in_progress'
    })
    const waiting = await client().responses.create({ model, input: 'y', background: true, user: 'u' })
    expect(await client().responses.retrieve(waiting.id)).toMatchObject({ status: 'queued', user: 'u' })
    const reading = client().responses.retrieve(waiting.id, { stream: true }).then(readAll)
    await eventually('its reader is there', async () => {
      const { text } = await callApi(`${gateway().url}/metrics`)
      return /^millrace_stream_subscribers 1$/m.test(text)
    })
    expect(await client().responses.cancel(waiting.id)).toMatchObject({
      status: 'cancelled',
      user: 'u',
      output: [],
    })
    expect((await reading).map(({ type }) => type)).toEqual(['response.created', 'response.incomplete'])
    await client().responses.cancel(busy.id)
  })

  test('ends one that answers in one piece, whose caller gets it cancelled', async () => {
    const answer = callApi(`${gateway().url}/v1/responses`, {
      body: { model: slow, input: 'one piece', metadata: { a: 'b' } },
    })
    let rid: string | undefined
    await eventually('the run is known', async () => {
      const jobs = await callApi(`${gateway().url}/v1/jobs?limit=1`)
      rid = jobs.json.data[0]?.id
      return rid !== undefined && jobs.json.data[0].status === 'in_progress'
    })
    const cancelled = await client().responses.cancel(rid ?? '')
    expect(cancelled).toMatchObject({ id: rid, status: 'cancelled', output: [] })
    expect((await answer).json).toMatchObject({ id: rid, status: 'cancelled', metadata: { a: 'b' } })
    const told = await readAll(await client(1).responses.retrieve(rid ?? '', { stream: true }))
    expect(told.map(({ type }) => type)).toEqual(['response.created', 'response.incomplete'])
  })
})

describe('a conversation', () => {
  test('goes on over any number of responses, on any API', async () => {
    const model = 'sim/lorem?tokens=3&gap_ms=0'
    const first = await client().responses.create({ model, input: 'one', instructions: 'Rhyme.' })
    const second = await client(1).responses.create({
      model,
      input: 'two',
      previous_response_id: first.id,
      store: false,
    })
    const third = await client()
      .responses.stream({
        model,
        input: [{ role: 'user', content: 'three' }],
        previous_response_id: second.id,
      })
      .finalResponse()
    expect(third).toMatchObject({ previous_response_id: second.id, instructions: null })
    const { data } = await client().responses.inputItems.list(third.id, { order: 'asc' })
    const texts = data.map((item) => (item as { content: { text: string }[] }).content[0]?.text)
    expect(texts).toEqual(['one', first.output_text, 'two', second.output_text, 'three'])
    expect(third.usage?.input_tokens).toBeGreaterThan(first.usage?.input_tokens ?? 0)
  })

  test('carries tool calls and their results', async () => {
    const tools = [
      {
        type: 'function' as const,
        name: 'weather',
        parameters: { type: 'object', properties: { city: { type: 'string' } } },
        strict: false,
      },
    ]
    const asked = await client()
      .responses.stream({ model: 'sim/lorem?tokens=4&gap_ms=0', input: 'Rain?', tools })
      .finalResponse()
    const [call] = asked.output
    if (call?.type !== 'function_call') throw new Error('The model should have called the tool.')
    expect(call).toMatchObject({ name: 'weather', status: 'completed' })
    expect(JSON.parse(call.arguments)).toEqual({ city: expect.any(String) })
    const answered = await client().responses.create({
      model: 'sim/lorem?tokens=4&gap_ms=0',
      previous_response_id: asked.id,
      tools,
      input: [{ type: 'function_call_output', call_id: call.call_id, output: 'No.' }],
    })
    expect(answered.output).toMatchObject([{ type: 'message', status: 'completed' }])
  })

  test('can’t go on where nothing was, or is yet', async () => {
    const next = (previous_response_id: string) =>
      client().responses.create({ model: 'sim/lorem', input: 'x', previous_response_id })
    await expect(next('resp_0190bbbbbbbb7bbb8ccccccccccccccc')).rejects.toMatchObject({
      status: 400,
      code: 'previous_response_not_found',
      param: 'previous_response_id',
    })
    await expect(next('resp_of_somebody_else')).rejects.toMatchObject({ code: 'previous_response_not_found' })
    const { id } = await client().responses.create({ model: slow, input: 'x', background: true })
    await expect(next(id)).rejects.toMatchObject({ status: 400, message: /still in progress/ })
    await client().responses.cancel(id)
  })
})

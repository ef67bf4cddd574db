import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { describe, expect, test } from 'vitest'
import { eventually, useGateway } from '../support/gateway.ts'
import { callApi, cutAfter, type JsonObject } from '../support/http.ts'

const gateway = useGateway({ config: { providers: { sim: { type: 'simulator' } } } })
const messages = [{ role: 'user', content: 'Say something.' }]
const fast = 'sim/lorem?tokens=4&gap_ms=0'

const generate = (body: object, headers: Record<string, string> = {}) =>
  callApi(`${gateway().url}/v1/generate`, { body: { messages, ...body }, headers })

function readEvents(text: string): (EventSourceMessage & { json: JsonObject })[] {
  const events: (EventSourceMessage & { json: JsonObject })[] = []
  const parser = createParser({
    onEvent: (event) => events.push({ ...event, json: JSON.parse(event.data) as JsonObject }),
  })
  parser.feed(text)
  return events
}

describe.each(['sim', 'upstream'])('an answer in blocks of the provider %s', (provider) => {
  const model = `${provider}/lorem?tokens=4&gap_ms=0`

  test('comes in one piece for those who want no stream', async () => {
    const { status, headers, json } = await generate({ model, stream: false })
    expect(status).toBe(200)
    expect(json).toMatchObject({
      type: 'done',
      id: expect.stringMatching(/^blk_[0-9a-f]{32}$/) as string,
      model,
      content: [{ type: 'text', text: expect.stringMatching(/\w/) as string }],
      finish: { unified: 'stop', raw: 'stop' },
      tokens: { output: 4 },
    })
    expect(headers.get('location')).toBe(`/v1/generate/${json.id}`)
  })

  test('comes as a stream by itself, whose last event is that same piece', async () => {
    const { text, headers } = await generate({ model })
    const events = readEvents(text)
    const done = events.at(-1)
    expect(events.map(({ event }) => event)).toEqual(['block', 'block', 'block', 'block', 'done'])
    expect(events.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4].map((seq) => `${done?.json.id}:${seq}`))
    const said = events.slice(0, -1).map(({ json }) => String(json.delta))
    expect(done?.json.content).toEqual([{ type: 'text', text: said.join('') }])
    const again = await callApi(gateway().url + headers.get('location'))
    expect(again.json).toEqual(done?.json)
  })

  test('calls tools, and takes their results', async () => {
    const tools = [
      {
        name: 'look',
        parameters: { type: 'object', properties: { at: { type: 'string' } }, required: ['at'] },
      },
    ]
    const asked = await generate({ model, tools, stream: false })
    const [call] = asked.json.content as JsonObject[]
    expect(asked.json.finish.unified).toBe('tool_calls')
    expect(call).toMatchObject({
      type: 'tool_call',
      name: 'look',
      arguments: { at: expect.any(String) as string },
    })
    const answered = await generate({
      model,
      tools,
      stream: false,
      messages: [
        ...messages,
        { role: 'assistant', content: asked.json.content as object },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_call_id: call?.id as string, content: 'sunny' }],
        },
      ],
    })
    expect(answered.json.content).toMatchObject([{ type: 'text' }])
  })

  test('tells in its stream that it broke off', async () => {
    const { text } = await generate({ model: `${provider}/lorem?tokens=9&gap_ms=0&fail=truncate&at=3` })
    const last = readEvents(text).at(-1)
    expect(last).toMatchObject({
      event: 'error',
      json: { type: 'error', code: 'upstream_incomplete', class: 'server_error', retryable: true },
    })
  })
})

describe('a run in blocks', () => {
  test('is resumed behind any event, by a GET and by the POST sent again', async () => {
    const { text, headers } = await generate({ model: fast })
    const [, left] = cutBehind(text, 1)
    const url = gateway().url + headers.get('location')
    expect((await callApi(`${url}?stream=true&starting_after=1`)).text).toBe(left)
    const { id } = readEvents(text)[1]!
    expect((await generate({ model: fast }, { 'last-event-id': id! })).text).toBe(left)
  })

  test('can be asked for later, as a job', async () => {
    const { status, json, headers } = await generate({ model: fast }, { prefer: 'respond-async, wait=10' })
    expect(status).toBe(202)
    expect(headers.get('location')).toBe(`/v1/jobs/${json.id}`)
    const job = await callApi(`${gateway().url}/v1/jobs/${json.id}`, { headers: { prefer: 'wait=10' } })
    expect(job.json).toMatchObject({
      status: 'completed',
      endpoint: '/v1/generate',
      response: { body: { type: 'done', content: [{ type: 'text' }] } },
    })
  })

  test('keeps what was said when it is cancelled, and is gone when it is deleted', async () => {
    const slow = await generate({ model: 'sim/lorem?tokens=500&gap_ms=20' }, { prefer: 'respond-async' })
    const url = `${gateway().url}/v1/generate/${slow.json.id}`
    await eventually('it has begun', async () => {
      const { status, json } = await callApi(url)
      return status === 202 && json.type === 'run' && json.status === 'in_progress'
    })
    const cancelled = await callApi(`${url}/cancel`, { method: 'POST' })
    expect(cancelled.json).toMatchObject({ status: 'cancelled', finish: null })
    const stream = readEvents((await callApi(`${url}?stream=true`)).text)
    expect(stream.at(-1)).toMatchObject({ event: 'error', json: { code: 'cancelled' } })
    const deleted = await callApi(url, { method: 'DELETE' })
    expect(deleted.json).toEqual({ id: slow.json.id as string, type: 'deleted' })
    const gone = await callApi(url)
    expect(gone).toMatchObject({ status: 404, json: { type: 'error', code: 'response_not_found' } })
  })

  test('is listed if it was asked for, apart from those of other dialects', async () => {
    const { json } = await generate({ model: fast, stream: false, store: true })
    const chat = await callApi(`${gateway().url}/v1/chat/completions`, {
      body: { model: fast, messages, store: true },
    })
    const list = async (path: string): Promise<string[]> => {
      const page = await callApi(gateway().url + path)
      return (page.json.data as { id: string }[]).map(({ id }) => id)
    }
    expect(await list('/v1/generate')).toEqual([json.id])
    expect(await list('/v1/chat/completions')).toEqual([chat.json.id])
  })

  test('is refused in its own words', async () => {
    const { status, json } = await generate({ model: fast, sytem: 'x' })
    expect(status).toBe(400)
    expect(json).toMatchObject({
      type: 'error',
      class: 'invalid_request_error',
      code: 'invalid_request',
      message: expect.stringContaining("did you mean 'system'?") as string,
      retryable: false,
    })
  })
})

/** As {@link cutAfter}, for events whose id comes last. */
function cutBehind(stream: string, seq: number): [before: string, after: string] {
  const moved = stream.replaceAll(/((?:event|data): [^\n]*\n(?:data: [^\n]*\n)?)(id: [^\n]*\n)/g, '$2$1')
  const [before] = cutAfter(moved, seq)
  return [stream.slice(0, before.length), stream.slice(before.length)]
}

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startGateway, type Gateway } from '../support/gateway.ts'
import { callApi, type ApiAnswer } from '../support/http.ts'
import { answerText, streamText } from '../dialects/openai-responses/fixture.ts'

/** What the provider was sent, and what it says next. */
const calls: { path: string; body: string }[] = []
let next: { status: number; text: string } | undefined
let upstream: Server
let gateway: Gateway

beforeAll(async () => {
  upstream = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += String(chunk)))
    request.on('end', () => {
      calls.push({ path: request.url ?? '', body })
      const streams = (JSON.parse(body) as { stream?: boolean }).stream === true
      const type = streams && next === undefined ? 'text/event-stream' : 'application/json'
      response.writeHead(next?.status ?? 200, { 'content-type': type })
      response.end(next?.text ?? (streams ? streamText : answerText))
    })
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { port } = upstream.address() as AddressInfo
  gateway = await startGateway({
    config: {
      providers: {
        openai: { type: 'openai', base_url: `http://127.0.0.1:${port}/v1`, keys: [{ value: 'sk-test' }] },
      },
    },
  })
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') process.stderr.write(gateway.output())
  calls.length = 0
  next = undefined
})
afterAll(async () => {
  await gateway?.close()
  upstream.closeAllConnections()
  upstream.close()
})

const model = 'openai/gpt-5.1'

function post(body: string): Promise<ApiAnswer> {
  return callRaw(`${gateway.url}/v1/responses`, body)
}

/** A body as text: what a serializer would make of it is not what is tested. */
async function callRaw(url: string, body: string): Promise<ApiAnswer> {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: {} }
}

function client(): OpenAI {
  return new OpenAI({ apiKey: 'none', baseURL: `${gateway.url}/v1`, maxRetries: 0 })
}

/** The provider's text under our id and the client's name of the model. */
function renamed(text: string, rid: string | null): string {
  return text
    .replaceAll('resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654', rid ?? '')
    .replaceAll('"model":"gpt-5.1-2025-11-13"', `"model":"${model}"`)
}

describe('a provider of the dialect', () => {
  test('gets the client’s body and answers it, but for names every byte as it was', async () => {
    const answer = await post(
      `{ "model":"${model}", "input":"x", "x_seed":12345678901234567890, "tools":[{"type":"web_search"}] }`,
    )
    expect(calls).toEqual([
      {
        path: '/v1/responses',
        body: '{ "model":"gpt-5.1", "input":"x", "x_seed":12345678901234567890, "tools":[{"type":"web_search"}] }',
      },
    ])
    expect(answer.text).toBe(renamed(answerText, answer.headers.get('x-millrace-run')))
  })

  test('streams with every byte as it was, but for names, numbers and its keep-alives', async () => {
    const answer = await post(`{"model":"${model}","input":"x","stream":true}`)
    expect(calls[0]?.body).toBe('{"model":"gpt-5.1","input":"x","stream":true}')
    const events = renamed(streamText, answer.headers.get('x-millrace-run'))
      .split(/(?<=\n\n)/)
      .filter((event) => !event.startsWith('event: keepalive'))
      .map((event, seq) => event.replace(/"sequence_number":\d+(?=[,}])/, `"sequence_number":${seq}`))
    expect(answer.text).toBe(`${events.join('')}data: [DONE]\n\n`)
    const replayed = await callApi(`${answer.headers.get('location')}?stream=true`.replace(/^/, gateway.url))
    expect(replayed.text).toBe(answer.text)
  })

  test('streams for a response in the background, of which it is told nothing', async () => {
    const queued = await client().responses.create({ model, input: 'x', background: true })
    expect(queued).toMatchObject({ status: 'queued', background: true })
    const done = await client().responses.stream({ response_id: queued.id }).finalResponse()
    expect(calls[0]?.body).toBe('{"stream":true,"model":"gpt-5.1","input":"x","background":false}')
    expect(done).toMatchObject({ id: queued.id, status: 'completed', background: true, model })
    expect(await client().responses.retrieve(queued.id)).toMatchObject({ output_text: 'It is "3"' })
  })

  test('gets a conversation that began here as its input, and one of its own by its id', async () => {
    const first = await client().responses.create({ model, input: 'one' })
    const second = await client().responses.create({ model, input: 'two', previous_response_id: first.id })
    expect(second.previous_response_id).toBe(first.id)
    expect(JSON.parse(calls[1]?.body ?? '')).toEqual({
      model: 'gpt-5.1',
      previous_response_id: null,
      input: [
        { type: 'message', role: 'user', content: 'one' },
        {
          type: 'reasoning',
          summary: [{ type: 'summary_text', text: 'Adding' }],
          encrypted_content: 'gAAA==',
        },
        {
          type: 'message',
          status: 'completed',
          role: 'assistant',
          content: [{ type: 'output_text', annotations: [], logprobs: [], text: 'It is "3"' }],
          x_phase: 'final',
        },
        { type: 'function_call', arguments: '{"id":1}', call_id: 'call_67', name: 'add' },
        { type: 'message', role: 'user', content: 'two' },
      ],
    })
    await client().responses.create({ model, input: 'x', previous_response_id: 'resp_68' })
    expect(JSON.parse(calls[2]?.body ?? '')).toMatchObject({ previous_response_id: 'resp_68', input: 'x' })
  })

  test('is continued on another that never heard of it', async () => {
    const first = await client().responses.create({ model, input: 'one' })
    const second = await client().responses.create({
      model: 'sim/lorem?tokens=3&gap_ms=0',
      previous_response_id: first.id,
      input: [{ type: 'function_call_output', call_id: 'call_67', output: '3' }],
    })
    expect(second).toMatchObject({ status: 'completed', previous_response_id: first.id })
  })

  test('answers for itself when it refuses', async () => {
    next = {
      status: 400,
      text: '{"error":{"message":"No such tool","type":"invalid_request_error","param":"tools","code":"bad_tool"}}',
    }
    await expect(client().responses.create({ model, input: 'x' })).rejects.toMatchObject({
      status: 400,
      code: 'bad_tool',
      param: 'tools',
    })
  })
})

import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { useGateway } from '../support/gateway.ts'

/** An upstream that notes the bytes that come, and answers with those that the test has set. */
let upstream: Server
let answer: { type: string; body: string }
let heard: { url: string | undefined; headers: IncomingHttpHeaders; body: string }[] = []

beforeAll(async () => {
  upstream = createServer((request, response) => {
    void text(request).then((body) => {
      heard.push({ url: request.url, headers: request.headers, body })
      response.writeHead(200, { 'content-type': answer.type }).end(answer.body)
    })
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
})
afterAll(() => upstream.close())
beforeEach(() => {
  heard = []
})

const gateway = useGateway(() => ({
  config: {
    keys: [{ key: 'sk-client', tenant: 'first' }],
    providers: {
      acme: {
        base_url: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v9`,
        keys: [{ value: 'sk-provider' }],
      },
    },
    models: [{ name: 'house', targets: [{ provider: 'acme', model: 'acme-large' }] }],
  },
}))

async function send(body: string): Promise<{ rid: string; body: string }> {
  const response = await fetch(`${gateway().url}/v1/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: 'Bearer sk-client',
      cookie: 'session=secret',
      'content-type': 'application/json',
      'x-forwarded-for': '10.0.0.1',
    },
    body,
  })
  return { rid: response.headers.get('x-millrace-run')!, body: await response.text() }
}

test('a whole answer passes in both directions as it was written, but for the id and the name of the model', async () => {
  answer = {
    type: 'application/json',
    body: `{ "zebra": [1.50, 1e3, "\\u00e9"],
  "object":"chat.completion", "model" :"acme-large-2026", "id":"acme-1", "created": 1,
  "choices":[{"index":0,"provider_note":{"b":1,"a":2},"message":{"content":"Hé","role":"assistant","reasoning_content":"hm"},"finish_reason":"stop"}],
  "usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"extra":{"x":9007199254740993}}, "apple":null}`,
  }
  const request = `{ "future_knob" : {"z":1,"a":[true, 1.0, 9007199254740993]}, "model":"house",
  "messages":[{"content":"Hé\\ud83d\\ude00","role":"user","name":"x","new_field":1}], "temperature":0.70,
  "aaa":"\\/" }`
  const { rid, body } = await send(request)

  expect(heard).toMatchObject([
    { url: '/v9/chat/completions', body: request.replace('"house"', '"acme-large"') },
  ])
  expect(body).toBe(answer.body.replace('acme-large-2026', 'house').replace('acme-1', rid))
})

test('a stream passes with all its unknown fields, in their order', async () => {
  const chunk = (rest: string) =>
    `data: {"id":"acme-1","object":"chat.completion.chunk","created":1,"model":"acme-large-2026",${rest}}\n\n`
  const told = [
    '"zebra":{"b":1.50,"a":"\\u00e9"},"choices":[{"index":0,"delta":{"role":"assistant","content":""},"note":1}],"apple":null',
    '"zebra":{"b":1.50,"a":"\\u00e9"},"choices":[{"delta":{"reasoning_content":"hm","content":"Hé"},"index":0}]',
    '"choices":[{"index":0,"delta":{},"finish_reason":"stop","native_finish_reason":"eos"}],"x_groq":{"id":"q"}',
  ]
  const usage = '"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}'
  answer = {
    type: 'text/event-stream',
    body: `: hello\n\n${[...told, usage].map(chunk).join('')}data: [DONE]\n\n`,
  }
  const request =
    '{"future_knob":[1.0], "stream":true,"model":"house","messages":[{"role":"user","content":"x"}]}'
  const { rid, body } = await send(request)

  expect(heard[0]?.body).toBe(
    `{"stream_options":{"include_usage":true},${request.slice(1)}`.replace('"house"', '"acme-large"'),
  )
  const frames = body.split('\n\n').slice(0, -2)
  expect(body.endsWith('\n\ndata: [DONE]\n\n')).toBe(true)
  const rests = frames.map((frame, seq) => {
    const head = new RegExp(
      `^id: ${rid}:${seq}\ndata: {"id":"${rid}","object":"chat.completion.chunk","created":\\d+,"model":"house","sequence_number":${seq},`,
    )
    expect(frame).toMatch(head)
    return frame.replace(head, '').slice(0, -1)
  })
  expect(rests).toEqual(told)
})

test("the client's credentials stay here, and the provider's go there", async () => {
  answer = { type: 'application/json', body: '{"choices":[{"index":0,"message":{"role":"assistant"}}]}' }
  await send('{"model":"house","messages":[{"role":"user","content":"x"}]}')
  const [{ headers }] = heard as [(typeof heard)[number]]
  expect(headers).toMatchObject({ authorization: 'Bearer sk-provider', 'content-type': 'application/json' })
  expect(JSON.stringify(headers)).not.toMatch(/sk-client|session|10\.0\.0\.1/)
})

import { connect } from 'node:net'
import { expect } from 'vitest'

/** What `sendRaw` got back: everything until the server closed, or fell silent. */
export interface RawAnswer {
  status: number
  headers: string
  body: string
}

/** Sends bytes that an HTTP client would refuse to send. Status 0 means that the server closed without a word. */
export async function sendRaw(url: string, bytes: string): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const socket = connect(Number(port), hostname)
  let text = ''
  // The server may close while bytes are still under way; what it said before counts.
  socket.on('error', () => undefined).on('close', () => resolve(text))
  socket.on('data', (chunk) => (text += String(chunk)))
  socket.setTimeout(5_000, () => reject(new Error(`The server keeps a connection open. It said: ${text}`)))
  socket.write(bytes)
  try {
    const [headers = '', body = ''] = (await promise).split('\r\n\r\n', 2)
    return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(headers)?.[1] ?? 0), headers, body }
  } finally {
    socket.destroy()
  }
}

/** OpenAI's envelope with all of its four keys, and nothing that tells of the inside. */
export function expectError(
  answer: { status: number; contentType: string | null; body: string },
  expected: { status: number; code: string; param?: string },
): void {
  expect({ status: answer.status, type: answer.contentType, body: answer.body }).toMatchObject({
    status: expected.status,
    type: 'application/json; charset=utf-8',
  })
  expect(JSON.parse(answer.body)).toEqual({
    error: {
      message: expect.stringMatching(/^[^]{5,600}$/),
      type: expect.stringMatching(/^[a-z_]+$/),
      param: expected.param ?? null,
      code: expected.code,
    },
  })
  expect(answer.body).not.toMatch(/node_modules|\.ts\b|\bat [\w.]+ \(|redis|mr:|127\.0\.0\.1|ECONN|FST_/i)
}

/** JSON whose shape is what the test is about. */
// oxlint-disable-next-line typescript/no-explicit-any
export type JsonObject = Record<string, any>

export interface ApiAnswer {
  status: number
  headers: Headers
  text: string
  /** The text as JSON; the tests say of what shape. */
  json: JsonObject
}

/** A call as any HTTP client makes it; with a body it is a POST unless told otherwise. */
export async function callApi(
  url: string,
  options: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<ApiAnswer> {
  const { method, body, headers } = options
  const response = await fetch(url, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    ...(body !== undefined && { body: JSON.stringify(body) }),
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
  const json = (isJson ? JSON.parse(text) : {}) as JsonObject
  return { status: response.status, headers: response.headers, text, json }
}

/** The bytes of an event stream up to the event with this number, and those behind it. */
export function cutAfter(stream: string, seq: number): [before: string, after: string] {
  const events = stream.split(/(?<=\n\n)/)
  const at = events.findIndex((event) => new RegExp(`^id: \\S+:${seq}\\n`).test(event)) + 1
  return [events.slice(0, at).join(''), events.slice(at).join('')]
}

/** A `fetch` that notes the bytes of each body as they are read. */
export function recordingFetch(): { fetch: typeof fetch; bodies: string[] } {
  const bodies: string[] = []
  return {
    bodies,
    async fetch(input, init) {
      const response = await fetch(input, init)
      const at = bodies.push('') - 1
      const decoder = new TextDecoder()
      const note = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          bodies[at] += decoder.decode(chunk, { stream: true })
          controller.enqueue(chunk)
        },
      })
      return new Response(response.body?.pipeThrough(note) ?? null, response)
    },
  }
}

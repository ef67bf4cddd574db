import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface AnthropicUpstream {
  url: string
  requests: { path: string; headers: IncomingHttpHeaders; body: string }[]
  /** Answers that are held before their last event go on. */
  release(): void
  /** How many answers were broken off by the caller. */
  readonly abandoned: number
  close(): Promise<void>
}

const fixtures = new URL('../fixtures/anthropic/', import.meta.url)

export function readFixture(name: string): Promise<string> {
  return readFile(new URL(name, fixtures), 'utf8')
}

/**
 * Speaks Messages by replaying `test/fixtures/anthropic`: the model's name is the fixture's. `NAME?hold` waits before
 * the answer's last three events until it is released; `status-529` fails with that status.
 */
export async function startAnthropicUpstream(): Promise<AnthropicUpstream> {
  const requests: AnthropicUpstream['requests'] = []
  const held: (() => void)[] = []
  let abandoned = 0

  async function answer(body: string, path: string, response: ServerResponse): Promise<void> {
    if (path.endsWith('/count_tokens')) return sendJson(response, 200, '{"input_tokens":2095}')
    const { model, stream } = JSON.parse(body) as { model: string; stream?: boolean }
    const status = /^status-(\d+)$/.exec(model)?.[1]
    if (status !== undefined) return sendJson(response, Number(status), errorEnvelope(Number(status)))
    const [name = '', knob] = model.split('?')
    if (stream !== true) return sendJson(response, 200, await readFixture(`${name}.json`))
    const events = (await readFixture(`${name}.sse`)).split(/(?<=\n\n)/)
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    response.on('close', () => {
      if (!response.writableFinished) abandoned++
    })
    if (knob === 'hold') {
      response.write(events.splice(0, events.length - 3).join(''))
      await new Promise<void>((resolve) => held.push(resolve))
    }
    response.end(events.join(''))
  }

  const server = createServer((request, response) => {
    const { url = '', headers } = request
    void text(request).then((body) => {
      requests.push({ path: url, headers, body })
      return answer(body, url, response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    release: () => held.splice(0).forEach((resolve) => resolve()),
    get abandoned() {
      return abandoned
    },
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

const errorTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  429: 'rate_limit_error',
  500: 'api_error',
  529: 'overloaded_error',
}

function errorEnvelope(status: number): string {
  const error = { type: errorTypes[status] ?? 'api_error', message: `The upstream failed with ${status}.` }
  return JSON.stringify({ type: 'error', error, request_id: 'req_011Upstream' })
}

function sendJson(response: ServerResponse, status: number, body: string): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'request-id': 'req_011Upstream' })
    .end(body)
}

import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

const fixtures = join(import.meta.dirname, '../fixtures/gemini')

/** An answer in the format that Google publishes. */
export function readFixture(name: string): Promise<string> {
  return readFile(join(fixtures, name), 'utf8')
}

export interface UpstreamCall {
  path: string
  headers: IncomingHttpHeaders
  /** As it came. */
  body: string
}

export interface GeminiUpstream {
  /** What a provider has as its `base_url`. */
  baseUrl: string
  /** All calls so far, oldest first. */
  calls: UpstreamCall[]
  /** Answers the next calls, one each; a fixture's name or what writes the answer. */
  answers: (string | ((response: ServerResponse) => void))[]
  close(): Promise<void>
}

/** A server on a free port of 127.0.0.1 that answers as the Gemini API, with what a test gives it. */
export async function startGeminiUpstream(): Promise<GeminiUpstream> {
  const calls: UpstreamCall[] = []
  const answers: GeminiUpstream['answers'] = []
  const server = createServer((request, response) => {
    void text(request).then(async (body) => {
      calls.push({ path: request.url ?? '', headers: request.headers, body })
      const answer = answers.shift()
      if (typeof answer === 'function') return answer(response)
      if (answer === undefined) return response.writeHead(500).end()
      const content = await readFixture(answer)
      const status = (JSON.parse(answer.endsWith('.json') ? content : '{}') as ErrorBody).error?.code ?? 200
      const type = answer.endsWith('.sse') ? 'text/event-stream' : 'application/json; charset=UTF-8'
      return response.writeHead(status, { 'content-type': type }).end(content)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1beta`,
    calls,
    answers,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

interface ErrorBody {
  error?: { code?: number }
}

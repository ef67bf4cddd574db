import { createServer, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { GatewayError, type ErrorRecord } from '#libs/core'
import { getDialect, isStreamDialect } from '#libs/dialects'
import { connectProvider, type ProviderSpec } from '#libs/providers'
import type { RunSpec } from '#libs/runs'
import { callProvider, type Heard } from '../../../apps/worker/calls/call-provider.ts'
import { readAnswerFile, type ConformanceCase } from './cases.ts'

export interface Replayed {
  sent: { path: string; headers: IncomingMessage['headers']; body: Buffer }
  frames: string[]
  heard: Heard | undefined
  error: ErrorRecord | undefined
  /** The whole answer, collected if it was streamed. */
  answer: unknown
}

const timeouts = { connectMs: 5000, firstByteMs: 5000, idleMs: 5000, totalMs: 10_000 }
const contentTypes: Readonly<Record<string, string>> = {
  json: 'application/json',
  sse: 'text/event-stream',
  wav: 'audio/wav',
  txt: 'text/plain',
  jsonl: 'application/vnd.amazon.eventstream',
}
const key = 'fixture-key-0123456789'

const question = { messages: [{ role: 'user', content: 'What is the weather in Paris?' }] }

/** Plays one case: the provider is a server with one answer, and everything between it and the log is real. */
export async function replay(spec: ProviderSpec, fixture: ConformanceCase): Promise<Replayed> {
  const { answer: file, status = 200, stream = false, request = question } = fixture
  const contentType = fixture.contentType ?? contentTypes[file.split('.').at(-1) ?? ''] ?? 'text/plain'
  let sent = { path: '', headers: {} as IncomingMessage['headers'], body: Buffer.alloc(0) }
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.once('end', () => {
      sent = { path: incoming.url ?? '', headers: incoming.headers, body: Buffer.concat(chunks) }
      response.writeHead(status, { 'content-type': contentType })
      response.end(readAnswerFile(spec.type, file))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const options = { ...defaultsOf(spec), ...fixture.options }
  const path = new URL((spec.defaultBaseUrl ?? 'http://x').replaceAll(/\{\w+\}/g, 'x')).pathname
  const baseUrl = `http://127.0.0.1:${port}${path}`
  const connected = connectProvider(spec, { name: spec.type, baseUrl, options, timeouts })

  const dialect = getDialect(fixture.dialect ?? 'openai-chat')
  const frames: string[] = []
  const context = {
    rid: `${dialect.idPrefix}${'0'.repeat(32)}`,
    model: 'asked',
    createdAt: 1,
    includeUsage: true,
  }
  const run: RunSpec = {
    rid: context.rid,
    tenant: 'default',
    requestId: 'req_1',
    dialect: dialect.name,
    endpoint: '/v1/anything',
    model: context.model,
    provider: spec.type,
    target: fixture.model ?? 'the-model',
    stream,
    includeUsage: true,
    store: false,
    metadata: {},
    lane: 'standard',
    onDisconnect: 'continue',
    ...(fixture.form !== undefined && { bodyType: `multipart/form-data; boundary=${boundary}` }),
    headers: {},
    createdAtMs: 1000,
  }
  let heard: Heard | undefined
  let error: ErrorRecord | undefined
  try {
    heard = await callProvider(
      {
        spec: run,
        body:
          fixture.form === undefined
            ? JSON.stringify({ model: context.model, ...request, ...(stream && { stream }) })
            : toForm({ model: context.model, ...fixture.form }).toString('base64'),
        dialect,
        frames: context,
        provider: { spec, connected },
        key,
        tellCost: (told) => told,
        signal: new AbortController().signal,
      },
      {
        get seq() {
          return frames.length
        },
        write: (frame) => frames.push(frame),
      },
    )
  } catch (thrown) {
    error = GatewayError.from(thrown).toJSON()
  } finally {
    await connected.close()
    server.closeAllConnections()
    server.close()
  }
  const whole =
    isStreamDialect(dialect) && stream ? dialect.collect(frames, context) : (heard?.answer ?? 'null')
  const answer: unknown =
    heard?.answerType === undefined ? JSON.parse(whole) : { type: heard.answerType, base64: whole }
  return { sent, frames, heard, error, answer }
}

const boundary = 'fixture-boundary'

function toForm(fields: Record<string, string>): Buffer {
  const file = 'form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\nRIFF'
  const texts = Object.entries(fields).map(([name, value]) => `form-data; name="${name}"\r\n\r\n${value}`)
  const parts = [file, ...texts].map((part) => `--${boundary}\r\ncontent-disposition: ${part}\r\n`)
  return Buffer.from(`${parts.join('')}--${boundary}--\r\n`)
}

/** A form as the provider reads it; of a file, its text. */
export async function readForm({ headers, body }: Replayed['sent']): Promise<Record<string, string>> {
  const type = headers['content-type'] ?? ''
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData()
  const entries = [...form].map(async ([name, value]) => [
    name,
    typeof value === 'string' ? value : await value.text(),
  ])
  return Object.fromEntries((await Promise.all(entries)) as [string, string][])
}

function defaultsOf({ options = {} }: ProviderSpec): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, option]) =>
      option.default === undefined ? [] : [[name, option.default]],
    ),
  )
}

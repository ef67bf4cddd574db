import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { GatewayError, type Media } from '#libs/core'
import { defaultSettings, parseSimulatorModel, readVideo, showVideo } from '#libs/providers'
import type { SimulatorSettings } from '#libs/providers'
import { refusalError } from './chat-wire.ts'
import { deliver, sendError } from './deliver.ts'
import { createJournal } from './journal.ts'
import type { Caller, Journal } from './journal.ts'
import type { KeyLimits } from './key-counts.ts'
import { createPromptCache, type PromptCacheSettings } from './prompt-cache.ts'
import {
  readChatRequest,
  readEmbeddingsRequest,
  readSpeechRequest,
  readTranscriptionRequest,
  readVideoRequest,
} from './read-request.ts'
import type { ReadRequest } from './read-request.ts'

export interface SimulatorServerOptions {
  /** What a model gets whose name does not say otherwise. */
  defaults?: Partial<Omit<SimulatorSettings, 'fault'>>
  /** Calls beyond this many at once are answered with 429. */
  concurrencyLimit?: number
  /** Without it, every key is let in and none is needed. */
  requiredKeys?: string[]
  /** For each API key by itself. Calls beyond are answered with 429. */
  keyLimits?: KeyLimits
  /** Each API key gets a prompt cache of its own; without it, nothing is ever cached. */
  promptCache?: PromptCacheSettings
}

export interface SimulatorServer {
  readonly journal: Journal
  /** Resolves to the URL without a path, such as `http://127.0.0.1:4010`. Port 0 takes a free one. */
  listen(port: number, host: string): Promise<string>
  /** Breaks off what is being answered. */
  close(): Promise<void>
}

const maxBodyBytes = 64 * 1024 * 1024
const videoPollMs = 100
const maxPendingConnections = 4096
/** Longer than clients keep an idle connection, so that none is closed under a request. */
const keepAliveTimeoutMs = 120_000

const recordedHeaders = [
  'x-request-id',
  'x-client-request-id',
  'x-millrace-run',
  'x-millrace-attempt',
  'idempotency-key',
]

const modelList = {
  object: 'list',
  data: [{ id: 'lorem', object: 'model', created: 0, owned_by: 'simulator' }],
}

/** An OpenAI-compatible server with no model behind it. It listens only once it is told to. */
export function createSimulatorServer(options: SimulatorServerOptions = {}): SimulatorServer {
  const journal = createJournal(options.keyLimits, createPromptCache(options.promptCache))
  const answer = createAnswerer(journal, options)
  const server = createServer({ keepAliveTimeout: keepAliveTimeoutMs, requestTimeout: 0 }, handle)

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const [path, query] = (request.url ?? '/').split('?', 2)
    const read = readers.get(`${request.method} ${path}`)
    if (read !== undefined) return readBody(request, (body) => answer(request, response, body, read))
    switch (`${request.method} ${path}`) {
      case 'GET /v1/models':
        sendJson(response, modelList)
        break
      case 'GET /healthz':
        sendJson(response, { status: 'ok' })
        break
      case 'GET /journal':
        sendJson(response, journal.snapshot(readLimit(query)))
        break
      case 'DELETE /journal':
        journal.reset()
        response.writeHead(204).end()
        break
      default:
        if (request.method === 'GET' && sendVideo(response, path ?? '', query)) break
        sendError(response, refusalError(routeNotFound(`${request.method} ${path}`)))
    }
  }

  return {
    journal,
    async listen(port, host) {
      server.listen({ port, host, backlog: maxPendingConnections })
      await once(server, 'listening')
      return urlOf(server)
    },
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

type Read = (body: Media) => ReadRequest

const readers: ReadonlyMap<string, Read> = new Map([
  ['POST /v1/chat/completions', readChatRequest],
  ['POST /v1/videos', readVideoRequest],
  ['POST /v1/embeddings', readEmbeddingsRequest],
  ['POST /v1/audio/speech', readSpeechRequest],
  ['POST /v1/audio/transcriptions', readTranscriptionRequest],
  ['POST /v1/audio/translations', readTranscriptionRequest],
])

function createAnswerer(journal: Journal, options: SimulatorServerOptions) {
  const defaults = { ...defaultSettings, ...options.defaults }

  return (
    request: IncomingMessage,
    response: ServerResponse,
    bytes: Buffer | undefined,
    read: Read,
  ): void => {
    const caller: Caller = readCaller(request)
    try {
      checkKey(request, options.requiredKeys)
      if (bytes === undefined) throw new GatewayError('request_too_large', 'The body is over 64 MiB.')
      begin(
        response,
        caller,
        keyOf(request) ?? '',
        read({ type: request.headers['content-type'] ?? '', bytes }),
      )
    } catch (error) {
      const refusal = GatewayError.from(error)
      journal.refuse({ ...caller, status: refusal.status })
      sendError(response, refusalError(refusal), refusal.retryAfterMs)
    }
  }

  function begin(response: ServerResponse, caller: Caller, key: string, asked: ReadRequest): void {
    const { model, stream, includeUsage, whole, pieces, ...request } = asked
    caller.model = model
    const settings = parseSimulatorModel(model, defaults)
    checkConcurrency()
    const plan = request.plan(settings)
    checkLimits(response, key, plan.inputTokens + plan.outputTokens)
    if (pieces !== undefined) plan.cachedTokens = journal.promptCache?.read(key, model, pieces()) ?? 0
    const call = journal.begin({ ...caller, stream, promptHash: plan.promptHash }, key)
    response.setHeader('x-request-id', `req_sim${call.record.sequence}`)
    const delivery = { response, call, plan, model, includeUsage, whole }
    deliver({ ...delivery, settings: withoutSpentFault(settings, call.callOfPrompt) })
  }

  function checkLimits(response: ServerResponse, key: string, tokens: number): void {
    const { headers, retryAfterMs } = journal.keys.admit(key, tokens)
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    if (retryAfterMs === undefined) return
    throw new GatewayError('rate_limit_exceeded', 'The API key is over its limit of this minute.', {
      retryAfterMs,
    })
  }

  function checkConcurrency(): void {
    const { concurrencyLimit = Number.POSITIVE_INFINITY } = options
    if (journal.inFlight < concurrencyLimit) return
    throw new GatewayError(
      'rate_limit_exceeded',
      `The simulator answers ${concurrencyLimit} calls at once; try again when one has ended.`,
      { retryAfterMs: 1000 },
    )
  }
}

function withoutSpentFault({ fault, ...pace }: SimulatorSettings, callOfPrompt: number): SimulatorSettings {
  const isSpent = fault === undefined || callOfPrompt > (fault.times ?? Number.POSITIVE_INFINITY)
  return isSpent ? pace : { ...pace, fault }
}

function routeNotFound(route: string): GatewayError {
  return new GatewayError('route_not_found', `The simulator has nothing at ${route}.`)
}

function checkKey(request: IncomingMessage, requiredKeys: string[] | undefined): void {
  if (requiredKeys === undefined || requiredKeys.includes(keyOf(request) ?? '')) return
  throw new GatewayError('invalid_api_key', 'The API key is not one that the simulator was started with.')
}

function readCaller(request: IncomingMessage): Caller {
  const headers: Record<string, string> = {}
  for (const name of recordedHeaders) {
    const value = request.headers[name]
    if (typeof value === 'string') headers[name] = value
  }
  return { model: '', headers, keyEnding: keyOf(request)?.slice(-4) ?? null }
}

function keyOf(request: IncomingMessage): string | undefined {
  return request.headers.authorization?.replace(/^Bearer /, '')
}

/** Hands on `undefined` for a body over the limit, once it has been read to its end. */
function readBody(request: IncomingMessage, done: (body: Buffer | undefined) => void): void {
  const chunks: Buffer[] = []
  let bytes = 0
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes <= maxBodyBytes) chunks.push(chunk)
  })
  request.once('end', () => done(bytes <= maxBodyBytes ? Buffer.concat(chunks) : undefined))
}

/** A video or what it holds, if the path is one's that the simulator has begun. */
function sendVideo(response: ServerResponse, path: string, query: string | undefined): boolean {
  const [, id = '', content] = /^\/v1\/videos\/([\w-]+)(\/content)?$/.exec(path) ?? []
  const video = showVideo(id)
  if (video === undefined) return false
  response.setHeader('openai-poll-after-ms', String(videoPollMs))
  if (content === undefined) sendJson(response, video)
  else {
    const variant = new URLSearchParams(query).get('variant') ?? 'video'
    const type = variant === 'video' ? 'video/mp4' : 'image/jpeg'
    response.writeHead(200, { 'content-type': type }).end(readVideo(variant))
  }
  return true
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

function readLimit(query: string | undefined): number | undefined {
  const limit = new URLSearchParams(query).get('limit')
  return limit !== null && /^\d{1,6}$/.test(limit) ? Number(limit) : undefined
}

function urlOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

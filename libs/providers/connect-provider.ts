import { isUtf8 } from 'node:buffer'
import { Pool } from 'undici'
import { GatewayError } from '#libs/core'
import { createSseDecoder, SseError, type SseDecoder, type SseEvent } from '#libs/sse'
import packageJson from '../../package.json' with { type: 'json' }
import type { ProviderTimeouts } from './http/clock.ts'
import { type ExchangeRules, type RawAnswer, startExchange, tooLargeError } from './http/exchange.ts'
import { readRedirect } from './http/redirect.ts'
import { readRetryAfterMs } from './http/retry-after.ts'
import { readErrorBody } from './http/read-error-body.ts'
import { readPieces } from './http/read-pieces.ts'
import { startSignedExchange, unsendableKey } from './http/signed-exchange.ts'
import type { OutgoingRequest, ProviderOptions, ProviderSpec } from './provider.ts'

export type { ProviderTimeouts }

/** What the configuration says of one provider, without its keys. */
export interface ProviderSettings {
  /** The name in the configuration, which errors tell. */
  name: string
  /** Origin and path in front of every call's path, such as `https://api.openai.com/v1`; may hold `{option}`. */
  baseUrl: string
  options?: ProviderOptions
  timeouts: ProviderTimeouts
  limits?: { maxEventBytes?: number; maxResponseBytes?: number }
  /** How many connections at most; without it as many as there are calls at once. */
  connections?: number
}

/** One request, complete but for the headers that the spec adds. */
export interface ProviderCall {
  /** POST if it is left out. */
  method?: 'GET'
  /** Follows the base URL, and may hold a query. */
  path: string
  /** Empty for a GET. */
  body: string | Uint8Array
  /** JSON if it is left out. */
  contentType?: string
  /** What may be answered, in the words of HTTP; JSON and event streams if it is left out. */
  accept?: string
  key: string | undefined
  /** Only those that the spec names in `callHeaders` are sent; names in lower case. */
  headers?: Record<string, string>
  /** Tells the provider's log which run it was, as `x-millrace-run`. */
  rid: string
  /** Instead of the provider's own. */
  timeouts?: CallTimeouts | undefined
  /** The most bytes of an answer, where that differs from the provider's. */
  maxResponseBytes?: number
}

/** Those of a provider's timeouts that one call may have otherwise. */
export type CallTimeouts = { readonly [Name in 'firstByteMs' | 'idleMs' | 'totalMs']?: number | undefined }

/** A 2xx answer whose body has yet to be read. */
export interface ProviderAnswer {
  status: number
  headers: Record<string, string>
  /**
   * Calls `onEvents` with the events of each network read, in order and synchronously; resolves at the body's end.
   * Throws `upstream_timeout`, `upstream_incomplete`, `upstream_protocol_error`, `response_too_large` or
   * `cancelled`. What `onEvents` throws ends the call and is rethrown. One `read…` an answer.
   */
  readEvents(onEvents: (events: SseEvent[]) => void): Promise<void>
  /** The whole body; throws as `readEvents` does. */
  readText(): Promise<string>
  /** The whole body of an answer that may be no text, which counts as its base64; throws as `readEvents` does. */
  readBytes(): Promise<Buffer>
  /** The body while it comes, no faster than it is taken; throws as `readEvents` does. */
  readPieces(): AsyncGenerator<Buffer>
}

/** A provider that can be called, on a connection pool of its own. */
export interface ConnectedProvider {
  readonly name: string
  readonly spec: ProviderSpec
  readonly options: ProviderOptions
  /**
   * Sends one request, once; resolves when the head of a 2xx answer is there. Throws a GatewayError otherwise: what
   * the spec reads of the answer, `upstream_unreachable` (nothing was sent), `upstream_outcome_unknown` (it may have
   * been), `upstream_timeout` or `cancelled`. The signal counts until the body's end, and closes the connection.
   */
  send(call: ProviderCall, signal: AbortSignal): Promise<ProviderAnswer>
  /** Waits for the calls that run. To hurry it, abort them. */
  close(): Promise<void>
}

const defaultMaxEventBytes = 1024 * 1024
const defaultMaxResponseBytes = 32 * 1024 * 1024
const waitStatuses: ReadonlySet<number> = new Set([429, 503, 529])

/** Opens no connection until the first call. Throws if the base URL is none that can be called. */
export function connectProvider(spec: ProviderSpec, settings: ProviderSettings): ConnectedProvider {
  const { name, timeouts, limits, options = {} } = settings
  const { origin, basePath } = readBaseUrl(spec, settings)
  const maxEventBytes = limits?.maxEventBytes ?? defaultMaxEventBytes
  const rules = {
    provider: name,
    timeouts,
    maxResponseBytes: limits?.maxResponseBytes ?? defaultMaxResponseBytes,
  }
  const pool = new Pool(origin, {
    connections: settings.connections ?? null,
    pipelining: 1,
    allowH2: false,
    connectTimeout: timeouts.connectMs,
    // Its own timeouts know neither the phases nor the words of ours.
    headersTimeout: 0,
    bodyTimeout: 0,
  })

  const signer = spec.createSigner?.(options)

  return {
    name,
    spec,
    options,
    async send(call, signal) {
      const path = basePath + call.path
      const headers = toHeaders(spec, call, name)
      const { method = 'POST', body } = call
      const exchange = (signed: Record<string, string>, at = path): Promise<RawAnswer> => {
        const sent = { ...headers, ...signed }
        const request = { method, path: at, headers: sent, body: method === 'GET' ? null : body }
        return startExchange(pool, request, rulesOf(call, rules), signal)
      }
      const signing = signer && {
        signer,
        request: toUnsigned(call, origin + path),
        key: call.key,
        provider: name,
        signal,
      }
      const first = await (signing === undefined ? exchange({}) : startSignedExchange(signing, exchange))
      const next = method === 'GET' ? readRedirect(first, origin) : undefined
      const answer = next === undefined ? first : await exchange({}, next)
      if (answer.status >= 300) throw await toError({ spec, provider: name, key: call.key }, answer)
      return {
        status: answer.status,
        headers: answer.headers,
        readEvents: (onEvents) => readEvents(answer, { provider: name, maxEventBytes, onEvents }),
        readText: () => readText(answer, name),
        readBytes: () => readMedia(answer, rules),
        readPieces: () => readPieces(answer),
      }
    },
    async close() {
      // Undici throws at the second time.
      if (!pool.destroyed) await pool.close()
    },
  }
}

function readBaseUrl(
  spec: ProviderSpec,
  { name, baseUrl, options = {} }: ProviderSettings,
): { origin: string; basePath: string } {
  const parts = { ...options, ...spec.toBaseUrlParts?.(options) }
  const url = URL.parse(baseUrl.replaceAll(/\{(\w+)\}/g, (_, part: string) => parts[part] ?? ''))
  const isPlain = url && !url.username && !url.password && !url.search && !url.hash
  if (!isPlain || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(
      `The base URL of provider ${name} must be http(s)://host/path, without user, query or fragment.`,
    )
  }
  return { origin: url.origin, basePath: url.pathname.replace(/\/+$/, '') }
}

function rulesOf({ timeouts: own, maxResponseBytes }: ProviderCall, all: ExchangeRules): ExchangeRules {
  const rules = maxResponseBytes === undefined ? all : { ...all, maxResponseBytes }
  if (own === undefined) return rules
  const { connectMs, firstByteMs, idleMs, totalMs } = rules.timeouts
  const timeouts = {
    connectMs,
    firstByteMs: own.firstByteMs ?? firstByteMs,
    idleMs: own.idleMs ?? idleMs,
    totalMs: own.totalMs ?? totalMs,
  }
  return { ...rules, timeouts }
}

function toHeaders(spec: ProviderSpec, call: ProviderCall, provider: string): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': call.contentType ?? 'application/json',
    accept: call.accept ?? 'application/json, text/event-stream',
    // A compressed stream comes in blocks and not in tokens, and a bomb can't be told from an answer.
    'accept-encoding': 'identity',
    'user-agent': `millrace/${packageJson.version}`,
    'x-millrace-run': call.rid,
    ...spec.defaultHeaders,
  }
  for (const name of spec.callHeaders ?? []) {
    const value = call.headers?.[name]
    if (value !== undefined) headers[name] = value
  }
  if (call.key === undefined || spec.createSigner !== undefined) return headers
  if (!/^[\x21-\x7e]+$/.test(call.key)) throw unsendableKey(provider)
  return Object.assign(headers, spec.authorize(call.key))
}

function toUnsigned({ body, contentType = 'application/json' }: ProviderCall, url: string): OutgoingRequest {
  return { method: 'POST', url: new URL(url), contentType, body }
}

interface EventReading {
  provider: string
  maxEventBytes: number
  onEvents: (events: SseEvent[]) => void
}

async function readEvents(answer: RawAnswer, reading: EventReading): Promise<void> {
  const { provider, maxEventBytes, onEvents } = reading
  const contentType = answer.headers['content-type'] ?? ''
  if (/json|html|xml/.test(contentType)) {
    answer.stop()
    throw protocolError(provider, `it is ${contentType} where an event stream was asked for`)
  }
  const decoder = await createDecoder(contentType, maxEventBytes)
  const hand = (decode: () => SseEvent[]): void => {
    const events = rethrowAs(provider, decode)
    if (events.length > 0) onEvents(events)
  }
  await answer.read((chunk) => hand(() => decoder.push(chunk)))
  hand(() => decoder.end())
}

/** SSE, whatever it is called; AWS's framing is loaded by those who meet it. */
async function createDecoder(contentType: string, maxEventBytes: number): Promise<SseDecoder> {
  if (!contentType.startsWith('application/vnd.amazon.eventstream'))
    return createSseDecoder({ maxEventBytes })
  const { createEventStreamDecoder } = await import('./http/event-stream.ts')
  return createEventStreamDecoder({ maxEventBytes })
}

async function readBytes(answer: RawAnswer): Promise<Buffer> {
  const chunks: Buffer[] = []
  await answer.read((chunk) => chunks.push(chunk))
  return Buffer.concat(chunks)
}

/** It is kept and carried as base64, which must not be larger than a text may be. */
async function readMedia(answer: RawAnswer, rules: ExchangeRules): Promise<Buffer> {
  const body = await readBytes(answer)
  if (Math.ceil(body.length / 3) * 4 > rules.maxResponseBytes) throw tooLargeError(rules)
  return body
}

async function readText(answer: RawAnswer, provider: string): Promise<string> {
  const body = await readBytes(answer)
  if (!isUtf8(body)) throw protocolError(provider, 'it is not UTF-8 text')
  return body.toString()
}

function rethrowAs<T>(provider: string, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    throw error instanceof SseError ? protocolError(provider, error.message, error) : error
  }
}

function protocolError(provider: string, reason: string, cause?: unknown): GatewayError {
  const message = `The answer of provider ${provider} cannot be read: ${reason}`
  return new GatewayError('upstream_protocol_error', message, { provider, cause })
}

interface ErrorOrigin {
  spec: ProviderSpec
  provider: string
  key: string | undefined
}

async function toError({ spec, provider, key }: ErrorOrigin, answer: RawAnswer): Promise<GatewayError> {
  const { status, headers } = answer
  if (status < 400) {
    answer.stop()
    const message = `Provider ${provider} answered with a redirect (${status}), which is not followed: the base URL must be the final one.`
    return new GatewayError('upstream_error', message, { provider })
  }
  const error = spec.readError(status, await readErrorBody(answer)).toJSON()
  const retryAfterMs = waitStatuses.has(status) ? readRetryAfterMs(headers) : undefined
  return GatewayError.fromJSON({
    ...error,
    // The spec knows what the vendor's keys look like; only here is it known which one was sent.
    message: key ? error.message.replaceAll(key, '[key]') : error.message,
    provider,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

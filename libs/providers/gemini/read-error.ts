import { GatewayError, isJsonObject, type ErrorCode } from '#libs/core'

type JsonObject = Record<string, unknown>

const maxMessageLength = 2000

const codesByStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'upstream_auth_failed',
  403: 'upstream_auth_failed',
  404: 'model_not_found',
  413: 'request_too_large',
  429: 'rate_limit_exceeded',
}

/** Codes whose status says more when it is the provider's own. */
const keepsStatus: ReadonlySet<ErrorCode> = new Set(['invalid_request', 'upstream_error'])

/** Reads Google's `{error: {code, message, status, details}}`, which may stand in a list. */
export function readGeminiError(status: number, body: string): GatewayError {
  const error = findError(parse(body))
  const details: unknown[] = Array.isArray(error.details) ? error.details : []
  const said = typeof error.message === 'string' ? error.message : ''
  const code = toCode(status, error.status, said, details)
  const message = said || `The provider answered with status ${status} and no message.`
  const retryAfterMs = readRetryDelayMs(details)
  return new GatewayError(code, hideKeys(message).slice(0, maxMessageLength), {
    ...(keepsStatus.has(code) && { status }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(typeof error.status === 'string' && { raw: { type: error.status, code: String(status) } }),
  })
}

/** Google has one status for all that is wrong with a request, its key and its place on earth included. */
function toCode(status: number, word: unknown, message: string, details: readonly unknown[]): ErrorCode {
  if (status === 400) {
    if (findReason(details) === 'API_KEY_INVALID' || /api key (?:not valid|expired)/i.test(message)) {
      return 'upstream_auth_failed'
    }
    if (word === 'FAILED_PRECONDITION') return 'upstream_auth_failed'
    if (/token count .*exceeds|context (?:length|window)/i.test(message)) return 'context_length_exceeded'
  }
  return codesByStatus[status] ?? (status < 500 ? 'invalid_request' : 'upstream_error')
}

function findReason(details: readonly unknown[]): unknown {
  return details.find((detail): detail is JsonObject => isJsonObject(detail) && 'reason' in detail)?.reason
}

/** `google.rpc.RetryInfo` tells a duration such as `37.5s`. */
function readRetryDelayMs(details: readonly unknown[]): number | undefined {
  const info = details.find(
    (detail): detail is JsonObject => isJsonObject(detail) && typeof detail.retryDelay === 'string',
  )
  const seconds = Number.parseFloat(String(info?.retryDelay))
  return seconds >= 0 ? Math.ceil(seconds * 1000) : undefined
}

function findError(body: unknown): JsonObject {
  const outer: unknown = Array.isArray(body) ? body[0] : body
  if (!isJsonObject(outer)) return {}
  return isJsonObject(outer.error) ? outer.error : {}
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function hideKeys(message: string): string {
  return message.replaceAll(/\bAIza[\w-]+|\bya29\.[\w.-]+/g, '[key]')
}

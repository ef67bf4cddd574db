import { GatewayError, isJsonObject, type ErrorCode, type ErrorRecord } from '#libs/core'

/** The error types that clients know, and the status that each is sent with. */
const statuses: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  conflict_error: 409,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
}

/** Our codes that Anthropic has a word for; the others are `invalid_request_error` below 500 and `api_error` from there on. */
const types: Partial<Record<ErrorCode, string>> = {
  invalid_api_key: 'authentication_error',
  insufficient_quota: 'billing_error',
  permission_denied: 'permission_error',
  model_not_found: 'not_found_error',
  response_not_found: 'not_found_error',
  file_not_found: 'not_found_error',
  batch_not_found: 'not_found_error',
  route_not_found: 'not_found_error',
  stream_expired: 'not_found_error',
  not_ended: 'conflict_error',
  request_too_large: 'request_too_large',
  queue_full: 'rate_limit_error',
  rate_limit_exceeded: 'rate_limit_error',
  overloaded: 'overloaded_error',
  draining: 'overloaded_error',
  upstream_timeout: 'timeout_error',
  deadline_exceeded: 'timeout_error',
  sync_wait_exceeded: 'timeout_error',
}

/** Types whose status tells clients what to do, where ours is another one. */
const ownStatuses: ReadonlySet<string> = new Set(['billing_error', 'overloaded_error'])

/** The envelope of an answer and of an `error` event; `details` says in our words what the type can't. */
export function toErrorText(error: ErrorRecord): string {
  return JSON.stringify({
    type: 'error',
    error: { type: toType(error), message: error.message, details: { error_code: error.code } },
  })
}

export function errorStatus(error: ErrorRecord): number {
  const type = toType(error)
  return (ownStatuses.has(type) ? statuses[type] : undefined) ?? error.status
}

function toType(error: ErrorRecord): string {
  if (error.status === 529) return 'overloaded_error'
  const raw = error.raw?.type
  // A key that the provider refused is the gateway's, and no client can do anything about it.
  const isTheirs = typeof raw === 'string' && Object.hasOwn(statuses, raw)
  if (isTheirs && error.code !== 'upstream_auth_failed') return raw
  return types[error.code] ?? (error.status < 500 ? 'invalid_request_error' : 'api_error')
}

/** Kinds of failure in a stream that the worker tells apart; all others are `upstream_error`. */
const codes: Readonly<Record<string, ErrorCode>> = {
  invalid_request_error: 'invalid_request',
  authentication_error: 'upstream_auth_failed',
  permission_error: 'upstream_auth_failed',
  billing_error: 'insufficient_quota',
  not_found_error: 'model_not_found',
  rate_limit_error: 'rate_limit_exceeded',
  timeout_error: 'upstream_timeout',
}

/** The provider's error as it stands in a stream: `{"type": "error", "error": {type, message}}`. */
export function readErrorEvent(event: unknown): GatewayError {
  const error = isJsonObject(event) && isJsonObject(event.error) ? event.error : {}
  const type = typeof error.type === 'string' ? error.type : undefined
  const message =
    typeof error.message === 'string' && error.message !== ''
      ? error.message
      : 'The provider broke off its answer with an error.'
  const code = type !== undefined && Object.hasOwn(codes, type) ? codes[type] : undefined
  return new GatewayError(code ?? 'upstream_error', message, {
    ...(type !== undefined && { raw: { type } }),
    ...(type === 'overloaded_error' && { status: statuses[type] ?? 529 }),
  })
}

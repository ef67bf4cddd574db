import { GatewayError, isJsonObject, type ErrorCode } from '#libs/core'

const codesByStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'upstream_auth_failed',
  403: 'upstream_auth_failed',
  404: 'model_not_found',
  408: 'upstream_error',
  413: 'request_too_large',
  424: 'upstream_error',
  429: 'rate_limit_exceeded',
}

/** Reads `{message}`, which is all that there is in the body: the error's name is in a header. */
export function readBedrockError(status: number, body: string): GatewayError {
  return toError(status, readMessage(body) ?? `The provider answered with status ${status} and no message.`)
}

const statusByException: ReadonlyMap<string, number> = new Map([
  ['validationException', 400],
  ['throttlingException', 429],
  ['modelTimeoutException', 408],
  ['modelStreamErrorException', 424],
  ['serviceUnavailableException', 503],
])

/** The error of an event in mid-stream, `undefined` for an event that is none. */
export function readException(event: string, data: string): GatewayError | undefined {
  if (!/(?:Exception|^error)$/.test(event)) return undefined
  const message = readMessage(data) ?? 'The provider broke off its answer with an error.'
  const error = toError(statusByException.get(event) ?? 500, message)
  return GatewayError.fromJSON({ ...error.toJSON(), raw: { type: event } })
}

function toError(status: number, message: string): GatewayError {
  const code = toCode(status, message)
  const keepsStatus = code === 'invalid_request' || code === 'upstream_error'
  return new GatewayError(code, message.slice(0, 2000), { ...(keepsStatus && { status }) })
}

function toCode(status: number, message: string): ErrorCode {
  if (status === 400 && /too long|too many (?:input )?tokens|context (?:length|window)/i.test(message)) {
    return 'context_length_exceeded'
  }
  if (status === 400 && /model identifier is invalid/i.test(message)) return 'model_not_found'
  // It is the model and not the key that is refused here.
  if (status === 403 && /access to the model/i.test(message)) return 'model_not_found'
  return codesByStatus[status] ?? (status < 500 ? 'invalid_request' : 'upstream_error')
}

function readMessage(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const message = isJsonObject(value) ? (value.message ?? value.Message) : undefined
    return typeof message === 'string' && message !== '' ? message : undefined
  } catch {
    return undefined
  }
}

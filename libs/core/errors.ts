/**
 * Every failure that crosses a boundary (HTTP, queue, stream log) is a {@link GatewayError}, and callers
 * branch on its `code` alone. `status` is what HTTP answers when nothing has been streamed yet, `type` is the
 * word of OpenAI's envelope, `retryable` says whether the same request may succeed later without a change.
 */
export const errorCodes = {
  invalid_request: { status: 400, type: 'invalid_request_error', retryable: false },
  invalid_json: { status: 400, type: 'invalid_request_error', retryable: false },
  context_length_exceeded: { status: 400, type: 'invalid_request_error', retryable: false },
  content_policy: { status: 400, type: 'invalid_request_error', retryable: false },
  previous_response_not_found: { status: 400, type: 'invalid_request_error', retryable: false },
  invalid_api_key: { status: 401, type: 'invalid_request_error', retryable: false },
  insufficient_quota: { status: 429, type: 'insufficient_quota', retryable: false },
  permission_denied: { status: 403, type: 'invalid_request_error', retryable: false },
  model_not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  response_not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  file_not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  batch_not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  webhook_endpoint_not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  webhook_delivery_not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  route_not_found: { status: 404, type: 'invalid_request_error', retryable: false },
  method_not_allowed: { status: 405, type: 'invalid_request_error', retryable: false },
  not_ended: { status: 409, type: 'invalid_request_error', retryable: true },
  stream_expired: { status: 410, type: 'invalid_request_error', retryable: false },
  request_too_large: { status: 413, type: 'invalid_request_error', retryable: false },
  unsupported_media_type: { status: 415, type: 'invalid_request_error', retryable: false },
  idempotency_key_reused: { status: 422, type: 'invalid_request_error', retryable: false },
  webhook_endpoint_unreachable: { status: 422, type: 'invalid_request_error', retryable: false },
  queue_full: { status: 429, type: 'rate_limit_error', retryable: true },
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error', retryable: true },
  cancelled: { status: 499, type: 'cancelled_error', retryable: false },
  internal_error: { status: 500, type: 'server_error', retryable: true },
  upstream_error: { status: 502, type: 'server_error', retryable: true },
  upstream_unreachable: { status: 502, type: 'server_error', retryable: true },
  upstream_auth_failed: { status: 502, type: 'server_error', retryable: false },
  upstream_protocol_error: { status: 502, type: 'server_error', retryable: true },
  upstream_incomplete: { status: 502, type: 'server_error', retryable: true },
  upstream_outcome_unknown: { status: 502, type: 'server_error', retryable: true },
  response_too_large: { status: 502, type: 'server_error', retryable: false },
  worker_lost: { status: 502, type: 'server_error', retryable: true },
  circuit_open: { status: 503, type: 'service_unavailable_error', retryable: true },
  overloaded: { status: 503, type: 'service_unavailable_error', retryable: true },
  draining: { status: 503, type: 'service_unavailable_error', retryable: true },
  upstream_timeout: { status: 504, type: 'timeout_error', retryable: true },
  deadline_exceeded: { status: 504, type: 'timeout_error', retryable: false },
  sync_wait_exceeded: { status: 504, type: 'timeout_error', retryable: false },
} as const satisfies Record<string, { status: number; type: string; retryable: boolean }>

/** What callers branch on. A code keeps its meaning for ever, since clients branch on it too. */
export type ErrorCode = keyof typeof errorCodes

/** What an error knows beside its code and message. */
export interface ErrorDetails {
  /** The request's field that is at fault, as a path: `messages[3].role`. */
  param?: string
  /** A status that says more than the code's own, such as the provider's 529. */
  status?: number
  /** Milliseconds after which the same request may work; becomes `retry-after`. */
  retryAfterMs?: number
  /** Who answered the error, when it was not us. */
  provider?: string
  /** The provider's own words, sent to clients in place of ours since their code may branch on them. */
  raw?: RawError
  /** Kept for the log, and never sent anywhere. */
  cause?: unknown
}

/** How the provider called the error. */
export interface RawError {
  type?: string | null
  code?: string | null
}

/** An error as it is stored and sent: no cause, no stack, no key. */
export interface ErrorRecord {
  code: ErrorCode
  message: string
  status: number
  type: string
  param: string | null
  retryable: boolean
  retryAfterMs?: number
  provider?: string
  raw?: RawError
}

/** A failure with a code of the table. Its message goes to clients, so it tells nothing of the inside. */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly param: string | null
  readonly retryAfterMs: number | undefined
  readonly provider: string | undefined
  readonly raw: RawError | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'GatewayError'
    this.code = code
    this.status = details.status ?? errorCodes[code].status
    this.param = details.param ?? null
    this.retryAfterMs = details.retryAfterMs
    this.provider = details.provider
    this.raw = details.raw
  }

  get type(): string {
    return errorCodes[this.code].type
  }

  get retryable(): boolean {
    return errorCodes[this.code].retryable
  }

  toJSON(): ErrorRecord {
    return {
      code: this.code,
      message: this.message,
      status: this.status,
      type: this.type,
      param: this.param,
      retryable: this.retryable,
      ...(this.retryAfterMs !== undefined && { retryAfterMs: this.retryAfterMs }),
      ...(this.provider !== undefined && { provider: this.provider }),
      ...(this.raw !== undefined && { raw: this.raw }),
    }
  }

  /** The inverse of `toJSON`, for errors that were stored with a run. */
  static fromJSON(record: ErrorRecord): GatewayError {
    return new GatewayError(record.code, record.message, {
      status: record.status,
      ...(record.param !== null && { param: record.param }),
      ...(record.retryAfterMs !== undefined && { retryAfterMs: record.retryAfterMs }),
      ...(record.provider !== undefined && { provider: record.provider }),
      ...(record.raw !== undefined && { raw: record.raw }),
    })
  }

  /**
   * Used at three edges only: the job handler, the HTTP error handler and the socket handler. What is not a
   * GatewayError already becomes `internal_error` with a message that tells nothing of the inside.
   */
  static from(error: unknown): GatewayError {
    if (error instanceof GatewayError) return error
    return new GatewayError('internal_error', 'The gateway failed while it handled this request.', {
      cause: error,
    })
  }
}

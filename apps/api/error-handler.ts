import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply } from 'fastify'
import { GatewayError, type ErrorCode } from '#libs/core'
import { openaiChat, type Dialect } from '#libs/dialects'
import type { Logger } from '#libs/telemetry'
import { mayTakeLong } from './long-uploads.ts'
import { dialectOf } from './request-dialect.ts'

/** Answers with an error in the dialect of the endpoint, with what SDKs need to know about trying again. */
export function sendError(
  reply: FastifyReply,
  error: GatewayError,
  dialect: Dialect = dialectOf(reply.request),
): FastifyReply {
  const { retryAfterMs } = error
  if (retryAfterMs !== undefined) {
    reply
      .header('retry-after', String(Math.ceil(retryAfterMs / 1000)))
      .header('retry-after-ms', String(retryAfterMs))
  }
  // Fastify would close the connection on a client that still sends, which then sees a reset and not the answer.
  if (error.code === 'request_too_large') reply.removeHeader('connection')
  // SDKs try 408, 409, 429 and all of 5xx again by themselves, which here may mean to pay again.
  if (!error.retryable) reply.header('x-should-retry', 'false')
  const record = error.toJSON()
  return reply
    .code(reply.server.compatibility?.status(record) ?? dialect.errorStatus?.(record) ?? error.status)
    .type('application/json; charset=utf-8')
    .send(dialect.errorBody(record))
}

/** What an operator wants to hear of; all else is the client's, the provider's or the clock's doing. */
const gatewayFailures: ReadonlySet<ErrorCode> = new Set(['internal_error', 'overloaded'])

/** Logs an error that was answered, if it is of our own making. */
export function logFailure(
  logger: Logger,
  error: GatewayError,
  request: { requestId: string; path: string | undefined },
): void {
  if (gatewayFailures.has(error.code)) logger.error({ err: error, ...request }, 'request failed')
}

/** Answers on a connection that sent what is no HTTP, or too much or too little of it, and closes it. */
export function answerUnreadable({ code }: Error & { code?: string }, socket: Socket): void {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT' && mayTakeLong(socket)) return
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, message] = unreadable[code ?? ''] ?? [400, 'This is not a valid HTTP request.']
  const error = new GatewayError('invalid_request', message, { status })
  const body = openaiChat.errorBody(error.toJSON())
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'connection: close',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  socket.destroySoon()
}

const unreadable: Readonly<Record<string, [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'The request did not come to its end in time.'],
  HPE_HEADER_OVERFLOW: [431, 'The headers are larger than this gateway takes.'],
}

const fastifyErrors: Readonly<Record<string, { code: ErrorCode; message: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: {
    code: 'request_too_large',
    message: 'The body is larger than this gateway takes.',
  },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'unsupported_media_type',
    message: 'Send the body as content-type: application/json.',
  },
  FST_ERR_BAD_URL: {
    code: 'invalid_request',
    message: 'The path is not a valid one: a % stands before two hexadecimal digits.',
  },
  FST_ERR_MAX_PARAM_LENGTH: {
    code: 'route_not_found',
    message: 'There is nothing with so long a name here.',
  },
}

/** Turns what Fastify itself throws to our words, so that no answer tells of the inside. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  const { code, statusCode } = thrown as { code?: string; statusCode?: number }
  const known = code === undefined ? undefined : fastifyErrors[code]
  if (known !== undefined) return new GatewayError(known.code, known.message, { cause: thrown })
  if (isRedisTrouble(thrown)) {
    return new GatewayError(
      'overloaded',
      'The gateway cannot reach its store. Send the request again later.',
      {
        retryAfterMs: 2_000,
        cause: thrown,
      },
    )
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new GatewayError('invalid_request', 'The request could not be read.', {
      status: statusCode,
      cause: thrown,
    })
  }
  return GatewayError.from(thrown)
}

function isRedisTrouble(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  if (thrown.name === 'MaxRetriesPerRequestError') return true
  return /Connection is closed|Command timed out|enableOfflineQueue|^OOM |Socket timeout|ECONNREFUSED|ECONNRESET/.test(
    thrown.message,
  )
}

import { GatewayError, type ErrorCode } from '#libs/core'
import { readOpenAiError } from '../openai-error.ts'

/** What Anthropic says with the type `invalid_request_error` alone, and fallbacks hang on. */
const codesByMessage: readonly (readonly [RegExp, ErrorCode])[] = [
  [/prompt is too long|exceeds? (?:the )?context (?:limit|window)/i, 'context_length_exceeded'],
  [/credit balance is too low/i, 'insufficient_quota'],
  [/content filtering policy/i, 'content_policy'],
]

/** The status that an error has which comes in a stream, whose own is 200. */
const statusesByType: ReadonlyMap<unknown, number> = new Map(
  Object.entries({
    invalid_request_error: 400,
    authentication_error: 401,
    billing_error: 402,
    permission_error: 403,
    not_found_error: 404,
    request_too_large: 413,
    rate_limit_error: 429,
    overloaded_error: 529,
  }),
)

/** The envelope is OpenAI's with another frame around it: `{type: "error", error: {type, message}}`. */
export function readAnthropicError(status: number, body: string): GatewayError {
  const error = readOpenAiError(status, body)
  const code = codesByMessage.find(([pattern]) => status === 400 && pattern.test(error.message))?.[1]
  if (code === undefined || code === error.code) return error
  return new GatewayError(code, error.message, error.raw === undefined ? {} : { raw: error.raw })
}

export function readErrorEvent(error: Record<string, unknown>): GatewayError {
  return readAnthropicError(statusesByType.get(error.type) ?? 500, JSON.stringify({ error }))
}

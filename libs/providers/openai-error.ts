import { type ErrorCode, GatewayError, type RawError } from '#libs/core'

const maxMessageLength = 2000

/** A Map, since the provider chooses the word: `constructor` must find nothing. */
const codesByWord: ReadonlyMap<unknown, ErrorCode> = new Map(
  Object.entries<ErrorCode>({
    context_length_exceeded: 'context_length_exceeded',
    exceed_context_size_error: 'context_length_exceeded',
    content_policy_violation: 'content_policy',
    content_filter: 'content_policy',
    moderation_blocked: 'content_policy',
    invalid_prompt: 'content_policy',
    insufficient_quota: 'insufficient_quota',
    credit_balance_exhausted: 'insufficient_quota',
    billing_hard_limit_reached: 'insufficient_quota',
    billing_not_active: 'insufficient_quota',
    model_not_found: 'model_not_found',
  }),
)

const codesByStatus: Readonly<Record<number, ErrorCode>> = {
  401: 'upstream_auth_failed',
  402: 'insufficient_quota',
  403: 'upstream_auth_failed',
  404: 'model_not_found',
  408: 'upstream_error',
  409: 'upstream_error',
  413: 'request_too_large',
  425: 'upstream_error',
  429: 'rate_limit_exceeded',
}

/** Codes whose status says more when it is the provider's own: 422 beside 400, 503 and 529 beside 502. */
const keepsStatus: ReadonlySet<ErrorCode> = new Set(['invalid_request', 'upstream_error'])

/** Reads OpenAI's error envelope, and the envelopes of those who mean the same and write it otherwise. */
export function readOpenAiError(status: number, body: string): GatewayError {
  const said = readEnvelope(body)
  const code = toCode(status, said)
  const message = said.message ?? `The provider answered with status ${status} and no message.`
  return new GatewayError(code, cut(hideKeys(message)), {
    ...(keepsStatus.has(code) && { status }),
    ...(said.param !== undefined && { param: said.param }),
    ...(said.raw && { raw: said.raw }),
  })
}

function toCode(status: number, { message = '', raw }: Envelope): ErrorCode {
  const byWord = codesByWord.get(raw?.code) ?? codesByWord.get(raw?.type)
  if (byWord && status < 500) return byWord
  // vLLM and others have no word for it, and a fallback to a larger model hangs on it.
  if (status === 400 && /context (?:length|window|size)/i.test(message)) return 'context_length_exceeded'
  return codesByStatus[status] ?? (status < 500 ? 'invalid_request' : 'upstream_error')
}

interface Envelope {
  message?: string
  param?: string
  raw?: RawError
}

/**
 * `{error: {message, type, param, code}}`; the same in a list (Gemini) or without `error` (old vLLM); `error` as a text
 * (Ollama); `detail` as a text or as a list of what is wrong where (FastAPI, and Mistral inside of `message`). What is
 * not JSON tells nothing that should reach a client.
 */
function readEnvelope(body: string): Envelope {
  const parsed = parseJson(body)
  const outer = asObject(Array.isArray(parsed) ? parsed[0] : parsed)
  const inner = asObject(outer?.error) ?? outer
  if (!inner) return {}
  const detail = readDetail(inner.detail ?? asObject(inner.message)?.detail)
  const message = [inner.message, outer?.error, detail].find((text) => typeof text === 'string')
  return {
    ...(typeof message === 'string' && { message }),
    ...(typeof inner.param === 'string' && { param: inner.param }),
    ...((isWord(inner.type) || isWord(inner.code)) && {
      raw: { type: toWord(inner.type), code: toWord(inner.code) },
    }),
  }
}

function readDetail(detail: unknown): unknown {
  if (!Array.isArray(detail)) return detail
  const findings = detail.slice(0, 10).map(asObject)
  const texts = findings.flatMap((finding) => {
    if (typeof finding?.msg !== 'string') return []
    return [Array.isArray(finding.loc) ? `${finding.loc.join('.')}: ${finding.msg}` : finding.msg]
  })
  return texts.length === 0 ? undefined : texts.join('; ')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? { ...value } : undefined
}

function isWord(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number'
}

function toWord(value: unknown): string | null {
  return isWord(value) ? String(value).slice(0, 100) : null
}

/** Providers echo the refused key, or its ends around stars: `sk-proj-ab****wxyz`. */
function hideKeys(message: string): string {
  return message
    .replaceAll(
      /\bsk-[\w*.-]+|\b(?:pk|rk|gsk|hf|fw|xai|nvapi|csk|pplx)[-_][\w*-]{12,}|\bAIza[\w-]+/g,
      '[key]',
    )
    .replaceAll(/(?<![\w-])[\w-]*\*{3,}[\w-]*/g, '[key]')
}

function cut(message: string): string {
  return message.length > maxMessageLength ? `${message.slice(0, maxMessageLength - 1)}…` : message
}

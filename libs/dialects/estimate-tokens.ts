import { isJsonObject } from '#libs/core'

/** UTF-8 bytes: scripts that need more of them for a letter need more tokens as well. */
const bytesPerToken = 4
/** What a picture, or a page or two of a document, costs where nobody measures it. */
const tokensPerMedia = 1_000
/** Roles and marks around each message, part and tool. */
const tokensPerObject = 2

/** Members that hold or name a file, in the words of any dialect. */
const media = /^(?:source|inline_?data|file_?data|image_?url|input_audio)$/i
/** Members of which a model reads nothing. */
const unread: ReadonlySet<string> = new Set([
  'type',
  'role',
  'signature',
  'thoughtSignature',
  'cache_control',
])

/**
 * Roughly how many tokens a prompt is, of whatever dialect it is a piece, with no tokenizer and no call. For models
 * that nobody can be asked about, and for the question whether a prompt still fits.
 */
export function estimateTokens(...prompt: readonly unknown[]): number {
  return Math.ceil(prompt.reduce<number>((sum, value) => sum + weigh(value), 0))
}

/** The members of a request, or of an object in it, that say how long the answer may be. */
const outputLimits = ['max_completion_tokens', 'max_output_tokens', 'max_tokens', 'maxOutputTokens']
/** What an answer may be where the request does not say. */
const usualOutputTokens = 500

/** The same with what the answer may be at most, or usually is where the request, of whatever dialect, does not say. */
export function estimateUse(request: unknown): number {
  return estimateTokens(request) + (readOutputLimit(request) ?? usualOutputTokens)
}

function readOutputLimit(request: unknown): number | undefined {
  if (!isJsonObject(request)) return undefined
  const limits = [request, request.generationConfig].flatMap((holder) => {
    return isJsonObject(holder) ? outputLimits.map((name) => holder[name]) : []
  })
  return limits.find((limit) => typeof limit === 'number' && limit >= 0) as number | undefined
}

/** Depth is bounded where bodies are read. */
function weigh(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value) / bytesPerToken
  if (Array.isArray(value)) return value.reduce<number>((sum, element) => sum + weigh(element), 0)
  if (!isJsonObject(value)) return 0
  return Object.entries(value).reduce((sum, [name, inner]) => {
    if (unread.has(name) || inner === null) return sum
    return sum + (media.test(name) ? tokensPerMedia : weigh(inner))
  }, tokensPerObject)
}

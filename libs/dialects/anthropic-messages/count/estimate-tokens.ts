import { isJsonObject } from '#libs/core'

/** What a token is worth in UTF-8 bytes of English and code; other scripts have more bytes and tokens a letter alike. */
const bytesPerToken = 3.5
/** What an image and a page or so of a document cost where nobody measures them. */
const mediaTokens = 1_600
const tokensPerMessage = 4

/**
 * Roughly how many tokens a prompt is, for models whose provider doesn't count them. Meant for the decision whether
 * a prompt still fits, so it is rather too high than too low.
 */
export function estimateTokens(body: unknown): number {
  if (!isJsonObject(body)) return 0
  const { system, messages, tools } = body
  const count = Array.isArray(messages) ? messages.length : 0
  return Math.ceil(weigh(system) + weigh(messages) + weigh(tools) + count * tokensPerMessage)
}

/** Depth is bounded where bodies are read. */
function weigh(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value) / bytesPerToken
  if (Array.isArray(value)) return value.reduce<number>((sum, element) => sum + weigh(element), 0)
  if (!isJsonObject(value)) return 0
  if (isJsonObject(value.source)) return mediaTokens
  return Object.entries(value).reduce(
    (sum, [name, inner]) => (name === 'type' ? sum : sum + weigh(inner)),
    Object.keys(value).length / 2,
  )
}

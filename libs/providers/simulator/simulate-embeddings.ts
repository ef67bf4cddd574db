import { hash } from 'node:crypto'
import { GatewayError, isJsonObject } from '#libs/core'

const defaultDimensions = 256
const maxDimensions = 4096
const maxInputs = 2048
/** As many as a real model reads at most. */
const maxWords = 8192

/**
 * OpenAI's answer to an embeddings request, with no model: texts that share words have vectors that are near, and the
 * same text always has the same one.
 */
export function simulateEmbeddings(body: unknown, model: string): string {
  const fields = isJsonObject(body) ? body : {}
  const { dimensions = defaultDimensions, encoding_format: format = 'float' } = fields
  if (!(Number.isInteger(dimensions) && Number(dimensions) >= 1 && Number(dimensions) <= maxDimensions)) {
    throw invalid('dimensions', `must be a whole number from 1 to ${maxDimensions}`)
  }
  if (format !== 'float' && format !== 'base64') throw invalid('encoding_format', 'must be float or base64')
  const inputs = readInputs(fields.input)
  const tokens = inputs.reduce((sum, words) => sum + words.length, 0)
  return JSON.stringify({
    object: 'list',
    data: inputs.map((words, index) => {
      const vector = toVector(words, Number(dimensions))
      return { object: 'embedding', index, embedding: format === 'base64' ? toBase64(vector) : [...vector] }
    }),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  })
}

/** The words of each input; a token, which may stand for a text, is a word. */
function readInputs(input: unknown): string[][] {
  const list: unknown[] = Array.isArray(input) && typeof input[0] !== 'number' ? input : [input]
  if (list.length === 0 || list.length > maxInputs) {
    throw invalid('input', `must hold 1 to ${maxInputs} texts`)
  }
  return list.map((each) => {
    if (typeof each === 'string' && each !== '') return each.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [each]
    if (Array.isArray(each) && each.length > 0) return each.map(String)
    throw invalid('input', 'must be a text, tokens, or a list of them, and none of them empty')
  })
}

/** Each word counts at eight places, up or down, that its hash tells; the sum has the length 1. */
function toVector(words: readonly string[], dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions)
  for (const word of words.slice(0, maxWords)) {
    const digest = hash('sha256', word, 'buffer')
    for (let at = 0; at < 32; at += 4) {
      const place = digest.readUInt32LE(at)
      const index = (place >>> 1) % dimensions
      vector[index] = (vector[index] ?? 0) + (place & 1 ? 1 : -1)
    }
  }
  const length = Math.hypot(...vector)
  if (length === 0) vector[0] = 1
  return length === 0 ? vector : vector.map((value) => value / length)
}

function toBase64({ buffer }: Float32Array): string {
  return Buffer.from(buffer).toString('base64')
}

function invalid(param: string, problem: string): GatewayError {
  return new GatewayError('invalid_request', `'${param}' ${problem}.`, { param })
}

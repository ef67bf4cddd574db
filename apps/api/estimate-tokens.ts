import { GatewayError, isJsonObject } from '#libs/core'

const charactersPerToken = 4
/** What a picture or a file costs is the model's affair: this is what OpenAI takes for a small one. */
const tokensPerMedia = 85
/** Roles and marks around each message and tool. */
const tokensPerObject = 3

/**
 * About how many tokens the model will read of a request, with no tokenizer and no call: four characters are taken
 * for one. Throws `invalid_request` for what is no object. Text in a script without spaces counts more in truth.
 */
export function estimateTokens(json: string): number {
  const body: unknown = JSON.parse(json || 'null')
  if (!isJsonObject(body)) {
    throw new GatewayError('invalid_request', 'The request body must be a JSON object.')
  }
  return Math.ceil(
    [body.instructions, body.input, body.tools].reduce<number>((sum, part) => sum + count(part), 0),
  )
}

function count(value: unknown): number {
  if (typeof value === 'string')
    return value.startsWith('data:') ? tokensPerMedia : value.length / charactersPerToken
  if (Array.isArray(value)) return value.reduce<number>((sum, element) => sum + count(element), 0)
  if (!isJsonObject(value)) return 0
  return Object.entries(value).reduce(
    (sum, [name, inner]) => sum + (name === 'file_data' ? tokensPerMedia : count(inner)),
    tokensPerObject,
  )
}

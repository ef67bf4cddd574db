import { estimateTokens } from '../estimate-tokens.ts'
import { checkBody } from '../request/checks.ts'

/** About how many tokens the model will read of a request. Throws `invalid_request` for what is no object. */
export function estimateResponsesTokens(json: string): number {
  const body: unknown = JSON.parse(json || 'null')
  checkBody(body)
  return estimateTokens(body.instructions, body.input, body.tools)
}

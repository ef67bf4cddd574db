import { GatewayError } from '#libs/core'
import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/** Tells reasoning in `reasoning`, and a failure in mid-stream as `error` in a chunk. https://openrouter.ai/docs/api-reference */
export const openrouter: ProviderSpec = {
  ...openaiCompatible,
  type: 'openrouter',
  pricesName: 'openrouter',
  defaultBaseUrl: 'https://openrouter.ai/api/v1',
  needsKey: true,
  environment: { key: 'OPENROUTER_API_KEY' },
  native: openaiRoutes('openai-chat', 'openai-completions', 'openai-embeddings'),
  readError: readOpenrouterError,
}

/** Its 403 speaks of the key or, if the input was flagged, of the input. */
function readOpenrouterError(status: number, body: string): GatewayError {
  const error = openaiCompatible.readError(status, body)
  if (status !== 403 || !/flagged|moderation/i.test(error.message)) return error
  return new GatewayError('content_policy', error.message, { ...(error.raw && { raw: error.raw }) })
}

import { GatewayError } from '#libs/core'
import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/** xAI's Grok. https://docs.x.ai/docs/api-reference */
export const xai: ProviderSpec = {
  ...openaiCompatible,
  type: 'xai',
  pricesName: 'x-ai',
  defaultBaseUrl: 'https://api.x.ai/v1',
  needsKey: true,
  // https://docs.x.ai/developers/advanced-api-usage/prompt-caching: in blocks, for as long as there is room.
  promptCache: { lifetimeMs: 10 * 60_000, minTokens: 128 },
  environment: { key: 'XAI_API_KEY' },
  native: openaiRoutes('openai-chat', 'openai-images'),
  readError: readXaiError,
}

/** It answers a key that it does not know with 400, as if the request were at fault. */
function readXaiError(status: number, body: string): GatewayError {
  const error = openaiCompatible.readError(status, body)
  if (status !== 400 || !/^incorrect api key/i.test(error.message)) return error
  return new GatewayError('upstream_auth_failed', error.message, { ...(error.raw && { raw: error.raw }) })
}

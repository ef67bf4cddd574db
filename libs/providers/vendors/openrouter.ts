import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/** Tells reasoning in `reasoning`, and a failure in mid-stream as `error` in a chunk. https://openrouter.ai/docs/api-reference */
export const openrouter: ProviderSpec = {
  ...openaiCompatible,
  type: 'openrouter',
  defaultBaseUrl: 'https://openrouter.ai/api/v1',
  needsKey: true,
  environment: { key: 'OPENROUTER_API_KEY' },
  native: openaiRoutes('openai-chat', 'openai-completions', 'openai-embeddings'),
}

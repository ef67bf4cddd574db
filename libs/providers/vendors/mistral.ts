import { createChatAdapter } from '../openai-chat/index.ts'
import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

const fields = {
  stream_options: null,
  store: null,
  metadata: null,
  max_completion_tokens: 'max_tokens',
  seed: 'random_seed',
}

/**
 * Mistral refuses every field that its schema does not have (`extra_forbidden`), counts every stream without being
 * asked, and has names of its own for two fields. https://docs.mistral.ai/api
 */
export const mistral: ProviderSpec = {
  ...openaiCompatible,
  type: 'mistral',
  pricesName: 'mistral',
  defaultBaseUrl: 'https://api.mistral.ai/v1',
  needsKey: true,
  environment: { key: 'MISTRAL_API_KEY' },
  native: openaiRoutes('openai-chat', 'openai-embeddings', 'openai-moderations'),
  nativeFields: { 'openai-chat': fields },
  adapter: createChatAdapter('compatible', { fields }),
}

import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/** https://docs.fireworks.ai/tools-sdks/openai-compatibility */
export const fireworks: ProviderSpec = {
  ...openaiCompatible,
  type: 'fireworks',
  pricesName: 'fireworks',
  defaultBaseUrl: 'https://api.fireworks.ai/inference/v1',
  needsKey: true,
  environment: { key: 'FIREWORKS_API_KEY' },
  native: openaiRoutes('openai-chat', 'openai-completions', 'openai-embeddings', 'rerank'),
}

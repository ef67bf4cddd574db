import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/** https://inference-docs.cerebras.ai/resources/openai */
export const cerebras: ProviderSpec = {
  ...openaiCompatible,
  type: 'cerebras',
  pricesName: 'cerebras',
  defaultBaseUrl: 'https://api.cerebras.ai/v1',
  needsKey: true,
  environment: { key: 'CEREBRAS_API_KEY' },
  native: openaiRoutes('openai-chat', 'openai-completions'),
}

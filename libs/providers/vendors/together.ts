import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/** Says `eos` where others say `stop`. https://docs.together.ai/reference/chat-completions-1 */
export const together: ProviderSpec = {
  ...openaiCompatible,
  type: 'together',
  pricesName: 'together',
  defaultBaseUrl: 'https://api.together.xyz/v1',
  needsKey: true,
  environment: { key: 'TOGETHER_API_KEY' },
  native: openaiRoutes('openai-chat', 'openai-completions', 'openai-embeddings', 'openai-images', 'rerank'),
}

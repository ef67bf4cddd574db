import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/** https://docs.sglang.ai/basic_usage/openai_api.html */
export const sglang: ProviderSpec = {
  ...openaiCompatible,
  type: 'sglang',
  defaultBaseUrl: 'http://127.0.0.1:30000/v1',
  native: openaiRoutes('openai-chat', 'openai-completions', 'openai-embeddings', 'rerank'),
}

import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/** https://docs.vllm.ai/en/stable/serving/openai_compatible_server */
export const vllm: ProviderSpec = {
  ...openaiCompatible,
  type: 'vllm',
  defaultBaseUrl: 'http://127.0.0.1:8000/v1',
  native: openaiRoutes(
    'openai-chat',
    'openai-completions',
    'openai-embeddings',
    'openai-transcriptions',
    'openai-translations',
    'rerank',
  ),
}

import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/** Its chat completions ended on 2026-09-27; the Agent API is OpenAI's Responses. https://docs.perplexity.ai/docs/agent-api */
export const perplexity: ProviderSpec = {
  ...openaiCompatible,
  type: 'perplexity',
  pricesName: 'perplexity',
  defaultBaseUrl: 'https://api.perplexity.ai/v1',
  needsKey: true,
  environment: { key: 'PERPLEXITY_API_KEY' },
  native: openaiRoutes('openai-responses', 'openai-embeddings'),
  adapter: undefined,
}

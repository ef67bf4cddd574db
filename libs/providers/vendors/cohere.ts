import { createChatAdapter } from '../openai-chat/index.ts'
import { openaiCompatible } from '../openai-compatible.ts'
import { openaiPaths } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

const chatRoute = (): string => `/compatibility/v1${openaiPaths['openai-chat']}`

/** Chat and embeddings by its OpenAI compatibility, rerank by its own API. https://docs.cohere.com/docs/compatibility-api */
export const cohere: ProviderSpec = {
  ...openaiCompatible,
  type: 'cohere',
  pricesName: 'cohere',
  defaultBaseUrl: 'https://api.cohere.ai',
  needsKey: true,
  environment: { key: 'COHERE_API_KEY' },
  native: {
    'openai-chat': chatRoute,
    'openai-embeddings': () => `/compatibility/v1${openaiPaths['openai-embeddings']}`,
    rerank: () => '/v2/rerank',
  },
  adapter: createChatAdapter('compatible', { route: chatRoute }),
}

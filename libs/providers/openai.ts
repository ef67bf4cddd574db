import { createChatAdapter } from './openai-chat/index.ts'
import { openaiCompatible } from './openai-compatible.ts'
import { openaiVideoOperations } from './operations/index.ts'
import { openaiRoutes } from './openai-routes.ts'
import type { ProviderSpec } from './provider.ts'

/** OpenAI itself: what is compatible with it, with its address and the headers of its accounts. */
export const openai: ProviderSpec = {
  ...openaiCompatible,
  type: 'openai',
  pricesName: 'openai',
  defaultBaseUrl: 'https://api.openai.com/v1',
  needsKey: true,
  // https://platform.openai.com/docs/guides/prompt-caching: five to ten minutes, up to an hour when little is asked.
  promptCache: { lifetimeMs: 10 * 60_000, minTokens: 1024 },
  native: openaiRoutes(
    'openai-chat',
    'openai-responses',
    'openai-completions',
    'openai-embeddings',
    'openai-moderations',
    'openai-images',
    'openai-speech',
    'openai-transcriptions',
    'openai-translations',
  ),
  environment: { key: 'OPENAI_API_KEY', baseUrl: 'OPENAI_BASE_URL' },
  callHeaders: ['openai-organization', 'openai-project', 'openai-beta'],
  operations: { 'openai-videos': openaiVideoOperations },
  adapter: createChatAdapter('openai'),
}

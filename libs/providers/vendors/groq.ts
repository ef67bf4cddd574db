import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/** It tells the usage a second time, in `x_groq.usage` of a chunk, which passes as it is. https://console.groq.com/docs/openai */
export const groq: ProviderSpec = {
  ...openaiCompatible,
  type: 'groq',
  pricesName: 'groq',
  defaultBaseUrl: 'https://api.groq.com/openai/v1',
  needsKey: true,
  // https://console.groq.com/docs/prompt-caching
  promptCache: { lifetimeMs: 2 * 3_600_000, minTokens: 128 },
  environment: { key: 'GROQ_API_KEY' },
  native: openaiRoutes('openai-chat', 'openai-speech', 'openai-transcriptions', 'openai-translations'),
}

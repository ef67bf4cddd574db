import { openaiCompatible } from '../openai-compatible.ts'
import { openaiRoutes } from '../openai-routes.ts'
import type { ProviderSpec } from '../provider.ts'

/**
 * Keeps a waiting connection open with comments or, for a whole answer, empty lines, and tells cache hits in
 * `prompt_cache_hit_tokens`. https://api-docs.deepseek.com
 */
export const deepseek: ProviderSpec = {
  ...openaiCompatible,
  type: 'deepseek',
  pricesName: 'deepseek',
  defaultBaseUrl: 'https://api.deepseek.com',
  needsKey: true,
  // https://api-docs.deepseek.com/guides/kv_cache: on disks, for hours to days.
  promptCache: { lifetimeMs: 2 * 3_600_000, minTokens: 64 },
  environment: { key: 'DEEPSEEK_API_KEY' },
  native: openaiRoutes('openai-chat'),
}

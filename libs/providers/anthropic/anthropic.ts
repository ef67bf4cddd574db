import { readAnthropicHeadroom } from '../http/headroom.ts'
import type { ProviderSpec } from '../provider.ts'
import { createDecoder } from './decoder.ts'
import { readAnthropicError } from './read-error.ts'
import { toMessagesBody } from './request.ts'

/**
 * Anthropic, and servers that speak its Messages. The base URL is without `/v1`, as in the variable that Anthropic's
 * own SDKs read. Translated requests are of the version 2023-06-01, the one that knows sampling.
 */
export const anthropic: ProviderSpec = {
  type: 'anthropic',
  pricesName: 'anthropic',
  defaultBaseUrl: 'https://api.anthropic.com',
  needsKey: true,
  // https://platform.claude.com/docs/en/build-with-claude/prompt-caching: what the request marks, five minutes.
  promptCache: { lifetimeMs: 5 * 60_000, minTokens: 1024 },
  environment: { key: 'ANTHROPIC_API_KEY', baseUrl: 'ANTHROPIC_BASE_URL' },
  native: {
    'anthropic-messages': () => '/v1/messages',
    'anthropic-token-count': () => '/v1/messages/count_tokens',
  },
  authorize: (key) => ({ 'x-api-key': key }),
  callHeaders: ['anthropic-version', 'anthropic-beta'],
  defaultHeaders: { 'anthropic-version': '2023-06-01' },
  readError: readAnthropicError,
  readHeadroom: readAnthropicHeadroom,
  adapter: {
    toRequest: (request) => ({ path: '/v1/messages', body: JSON.stringify(toMessagesBody(request)) }),
    createDecoder,
  },
}

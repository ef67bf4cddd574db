import { veoOperations } from '../operations/index.ts'
import type { ProviderSpec } from '../provider.ts'
import { createDecoder } from './decoder.ts'
import { readGeminiError } from './read-error.ts'
import { toRequest } from './to-request.ts'

/** Google's Gemini API with an API key, as AI Studio gives them. */
export const gemini: ProviderSpec = {
  type: 'gemini',
  pricesName: 'google',
  defaultBaseUrl: 'https://generativelanguage.googleapis.com/v1beta',
  needsKey: true,
  // https://ai.google.dev/gemini-api/docs/caching has the sizes; how long, it does not tell.
  promptCache: { lifetimeMs: 10 * 60_000, minTokens: 2048 },
  environment: { key: 'GEMINI_API_KEY' },
  native: {
    gemini: ({ model, stream }) =>
      toPath(model, stream ? 'streamGenerateContent?alt=sse' : 'generateContent'),
    'gemini-token-count': ({ model }) => toPath(model, 'countTokens'),
  },
  authorize: (key) => ({ 'x-goog-api-key': key }),
  readError: readGeminiError,
  operations: { 'openai-videos': veoOperations },
  adapter: {
    toRequest: (request) => ({
      path: toPath(request.model, 'streamGenerateContent?alt=sse'),
      body: JSON.stringify(toRequest(request)),
    }),
    createDecoder,
  },
}

/** Escapes the name, which a client may choose: nothing in it can lead to another path. */
function toPath(model: string, method: string): string {
  const [, collection = 'models', name = model] = /^(models|tunedModels)\/(.+)$/.exec(model) ?? []
  return `/${collection}/${encodeURIComponent(name)}:${method}`
}

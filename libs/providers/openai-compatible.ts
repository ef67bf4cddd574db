import { createChatAdapter } from './openai-chat/index.ts'
import { readOpenAiHeadroom } from './http/headroom.ts'
import { readOpenAiError } from './openai-error.ts'
import { openaiRoutes } from './openai-routes.ts'
import type { ProviderSpec } from './provider.ts'

/** Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama, and most vendors. */
export const openaiCompatible: ProviderSpec = {
  type: 'openai-compatible',
  needsKey: false,
  // What the servers that keep prompts have in common; who keeps none is soon known by its usage.
  promptCache: { lifetimeMs: 5 * 60_000, minTokens: 1024 },
  native: openaiRoutes(
    'openai-chat',
    'openai-completions',
    'openai-embeddings',
    'openai-moderations',
    'openai-images',
    'openai-speech',
    'openai-transcriptions',
    'openai-translations',
    'rerank',
  ),
  authorize: (key) => ({ authorization: `Bearer ${key}` }),
  readError: readOpenAiError,
  readHeadroom: readOpenAiHeadroom,
  adapter: createChatAdapter('compatible'),
}

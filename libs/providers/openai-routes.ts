import type { NativeRoute } from './provider.ts'

/** Where OpenAI has its endpoints, by dialect, and all who follow it. */
export const openaiPaths = {
  'openai-chat': '/chat/completions',
  'openai-responses': '/responses',
  'openai-completions': '/completions',
  'openai-embeddings': '/embeddings',
  'openai-moderations': '/moderations',
  'openai-images': '/images/generations',
  'openai-speech': '/audio/speech',
  'openai-transcriptions': '/audio/transcriptions',
  'openai-translations': '/audio/translations',
  rerank: '/rerank',
} as const satisfies Record<string, string>

/** The native lane of a provider that speaks these dialects at OpenAI's paths. */
export function openaiRoutes(
  ...dialects: readonly (keyof typeof openaiPaths)[]
): Readonly<Record<string, NativeRoute>> {
  return Object.fromEntries(dialects.map((dialect) => [dialect, () => openaiPaths[dialect]]))
}

import type { NativeRoute } from '../provider.ts'

/** Its publisher is Anthropic, and its words are Messages; all others are Google's. */
export function isClaude(model: string): boolean {
  return model.startsWith('claude-')
}

/** Escapes the name, which a client may choose. A version stands behind an `@`, which a path may hold. */
function toPath(publisher: string, model: string, method: string): string {
  const name = encodeURIComponent(model).replaceAll('%40', '@')
  return `/publishers/${publisher}/models/${name}:${method}`
}

export function toGeminiPath(model: string, stream: boolean): string {
  return toPath('google', model, stream ? 'streamGenerateContent?alt=sse' : 'generateContent')
}

export function toClaudePath(model: string, stream: boolean): string {
  return toPath('anthropic', model, stream ? 'streamRawPredict' : 'rawPredict')
}

/** Each maker's own dialect, for its own models. */
export const vertexRoutes = {
  gemini: ({ model, stream }) => (isClaude(model) ? undefined : toGeminiPath(model, stream)),
  'gemini-token-count': ({ model }) => (isClaude(model) ? undefined : toPath('google', model, 'countTokens')),
  'anthropic-messages': ({ model, stream }) => (isClaude(model) ? toClaudePath(model, stream) : undefined),
  // The one call whose body names the model, and whose path does not.
  'anthropic-token-count': ({ model }) =>
    isClaude(model) ? toPath('anthropic', 'count-tokens', 'rawPredict') : undefined,
} as const satisfies Record<string, NativeRoute>

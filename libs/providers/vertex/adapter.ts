import { createDecoder as createClaudeDecoder } from '../anthropic/decoder.ts'
import { toMessagesBody } from '../anthropic/request.ts'
import { createDecoder as createGeminiDecoder } from '../gemini/decoder.ts'
import { toRequest as toGeminiBody } from '../gemini/to-request.ts'
import type { ProviderAdapter } from '../provider.ts'
import { isClaude, toClaudePath, toGeminiPath } from './routes.ts'

/** What stands in the body of Claude's requests, in place of the header that Anthropic's own API has. */
export const claudeFields = { anthropic_version: 'vertex-2023-10-16' } as const

/** The words of the model's maker. */
export const vertexAdapter: ProviderAdapter = {
  toRequest(request) {
    const { model } = request
    if (!isClaude(model)) {
      return { path: toGeminiPath(model, true), body: JSON.stringify(toGeminiBody(request)) }
    }
    const { model: _, ...body } = toMessagesBody(request)
    return { path: toClaudePath(model, true), body: JSON.stringify({ ...claudeFields, ...body }) }
  },
  createDecoder: (model) => (isClaude(model) ? createClaudeDecoder() : createGeminiDecoder()),
}

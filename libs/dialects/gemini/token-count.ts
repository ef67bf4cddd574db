import { findTopLevelFields, isJsonObject, spliceText } from '#libs/core'
import type { Dialect } from '../dialect.ts'
import { estimateTokens } from '../estimate-tokens.ts'
import { gemini, nameModel } from './gemini.ts'
import { readBody } from './request/gemini-body.ts'
import { readRequest } from './request/read-request.ts'

/** `:countTokens`: a request whose answer is a number, so it is carried natively or not at all. */
export const geminiTokenCount: Dialect = {
  name: 'gemini-token-count',
  idPrefix: gemini.idPrefix,
  isFree: true,
  resourcePath: gemini.resourcePath,
  forwardedHeaders: gemini.forwardedHeaders,
  readRequest: (body, path) => readRequest(toCounted(body), path),
  toNativeRequest(json, { model }) {
    const fields = findTopLevelFields(json, ['generateContentRequest']) ?? []
    return spliceText(
      json,
      fields.map(({ start, end }) => ({ start, end, text: nameModel(json.slice(start, end), model) })),
    )
  },
  createObserver: () => ({
    observeAnswer: (json) => json,
    observation: { finish: undefined, usage: undefined },
  }),
  errorBody: (error) => gemini.errorBody(error),
}

/** About how many tokens a request has, for models whose provider can't be asked. */
export function estimateGeminiTokens(body: unknown): number {
  const { contents, systemInstruction, tools } = readBody(toCounted(body))
  return estimateTokens(contents, systemInstruction, tools)
}

/** Contents alone, or a whole request with its tools and its system instruction. */
function toCounted(body: unknown): unknown {
  return isJsonObject(body) ? (body.generateContentRequest ?? body.generate_content_request ?? body) : body
}

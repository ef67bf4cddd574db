import { findTopLevelFields, isJsonObject, spliceText } from '#libs/core'
import type { Dialect } from '../dialect.ts'
import { gemini, nameModel } from './gemini.ts'
import { parseBody } from './request/gemini-body.ts'
import { readRequest } from './request/read-request.ts'

/** `:countTokens`: a request whose answer is a number, so it is carried natively or not at all. */
export const geminiTokenCount: Dialect = {
  name: 'gemini-token-count',
  idPrefix: gemini.idPrefix,
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

const charactersPerToken = 4
/** What Gemini counts for a small picture, and for a second of video. */
const tokensPerFile = 258

/** About how many tokens a request has, by the length of its texts: for models whose provider can't be asked. */
export function estimateGeminiTokens(body: unknown): number {
  let characters = 0
  let files = 0
  const visit = (value: unknown): void => {
    if (typeof value === 'string') characters += value.length
    else if (Array.isArray(value)) value.forEach(visit)
    else if (isJsonObject(value)) {
      for (const [name, item] of Object.entries(value)) {
        if (/^(?:inline_?data|file_?data)$/i.test(name)) files++
        else if (!/^(?:role|thought_?signature)$/i.test(name)) visit(item)
      }
    }
  }
  const { contents, systemInstruction, tools } = parseBody(toCounted(body))
  visit([contents, systemInstruction, tools])
  return Math.ceil(characters / charactersPerToken) + files * tokensPerFile
}

/** Contents alone, or a whole request with its tools and its system instruction. */
function toCounted(body: unknown): unknown {
  return isJsonObject(body) ? (body.generateContentRequest ?? body.generate_content_request ?? body) : body
}

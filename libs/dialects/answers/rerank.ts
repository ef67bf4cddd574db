import { isJsonObject } from '#libs/core'
import { readUsage } from '../openai-chat/words.ts'
import { createAnswerDialect } from './create-answer-dialect.ts'

/** Cohere's rerank, which Jina, Together, vLLM and others speak as well: `POST /v1/rerank` and `POST /v2/rerank`. */
export const rerank = createAnswerDialect({
  name: 'rerank',
  asks: 'documents',
  answers: 'results',
  readUsage({ usage, meta }) {
    if (isJsonObject(usage)) return readUsage({ prompt_tokens: usage.prompt_tokens ?? usage.total_tokens })
    const units = isJsonObject(meta) ? (meta.tokens ?? meta.billed_units) : undefined
    return isJsonObject(units) ? readUsage({ prompt_tokens: units.input_tokens }) : undefined
  },
})

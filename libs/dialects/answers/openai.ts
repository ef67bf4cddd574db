import { isJsonObject } from '#libs/core'
import { readUsage } from '../openai-chat/words.ts'
import { createAnswerDialect } from './create-answer-dialect.ts'

/** OpenAI's `POST /v1/embeddings`. */
export const openaiEmbeddings = createAnswerDialect({
  name: 'openai-embeddings',
  idPrefix: 'embd_',
  asks: 'input',
  answers: 'data',
})

/** OpenAI's `POST /v1/moderations`. */
export const openaiModerations = createAnswerDialect({
  name: 'openai-moderations',
  asks: 'input',
  answers: 'results',
})

/** OpenAI's `POST /v1/images/generations`. */
export const openaiImages = createAnswerDialect({
  name: 'openai-images',
  asks: 'prompt',
  answers: 'data',
  readUsage({ usage }) {
    if (!isJsonObject(usage)) return undefined
    return readUsage({ prompt_tokens: usage.input_tokens, completion_tokens: usage.output_tokens })
  },
})

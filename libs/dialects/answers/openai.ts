import { isJsonObject, type Usage } from '#libs/core'
import { readUsage } from '../openai-chat/words.ts'
import { createAnswerDialect } from './create-answer-dialect.ts'
import { createFormDialect } from './create-form-dialect.ts'

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
  readUsage: readMediaUsage,
})

/** OpenAI's `POST /v1/audio/speech`. What it answers is audio, or an error. */
export const openaiSpeech = createAnswerDialect({
  name: 'openai-speech',
  asks: 'input',
  answersMedia: true,
})

/** OpenAI's `POST /v1/audio/transcriptions`. Its answers are JSON, or texts of several types. */
export const openaiTranscriptions = createFormDialect({
  name: 'openai-transcriptions',
  asks: 'file',
  answers: 'text',
  answersMedia: true,
  readUsage: readMediaUsage,
})

/** OpenAI's `POST /v1/audio/translations`: the same, but in English whatever is spoken. */
export const openaiTranslations = createFormDialect({
  name: 'openai-translations',
  asks: 'file',
  answers: 'text',
  answersMedia: true,
  readUsage: readMediaUsage,
})

/** Of pictures and sound OpenAI counts under other names; a `duration` is no count of tokens. */
function readMediaUsage({ usage }: Readonly<Record<string, unknown>>): Usage | undefined {
  if (!isJsonObject(usage) || usage.type === 'duration') return undefined
  return readUsage({
    prompt_tokens: usage.input_tokens,
    completion_tokens: usage.output_tokens,
    // Of pictures these are in the plural, of sound in the singular.
    prompt_tokens_details: usage.input_tokens_details ?? usage.input_token_details,
  })
}

import { GatewayError } from '#libs/core'
import { anthropicMessages } from './anthropic-messages/anthropic-messages.ts'
import { anthropicTokenCount } from './anthropic-messages/count/token-count.ts'
import { isStreamDialect, type Dialect, type StreamDialect } from './dialect.ts'
import { gemini } from './gemini/gemini.ts'
import { geminiTokenCount } from './gemini/token-count.ts'
import { openaiChat } from './openai-chat/openai-chat.ts'
import { openaiResponses } from './openai-responses/openai-responses.ts'
import {
  openaiEmbeddings,
  openaiImages,
  openaiModerations,
  openaiSpeech,
  openaiTranscriptions,
  openaiTranslations,
} from './answers/openai.ts'
import { rerank } from './answers/rerank.ts'
import { openaiCompletions } from './openai-completions/openai-completions.ts'
import { openaiVideos } from './openai-videos/openai-videos.ts'
import { unifiedBlocks } from './unified-blocks/unified-blocks.ts'

/** Every dialect by its name. To add one: its folder, and a line here. */
export const dialects: Readonly<Record<string, Dialect>> = {
  [anthropicMessages.name]: anthropicMessages,
  [anthropicTokenCount.name]: anthropicTokenCount,
  [openaiChat.name]: openaiChat,
  [openaiResponses.name]: openaiResponses,
  [gemini.name]: gemini,
  [geminiTokenCount.name]: geminiTokenCount,
  [openaiCompletions.name]: openaiCompletions,
  [openaiEmbeddings.name]: openaiEmbeddings,
  [openaiModerations.name]: openaiModerations,
  [openaiImages.name]: openaiImages,
  [openaiSpeech.name]: openaiSpeech,
  [openaiTranscriptions.name]: openaiTranscriptions,
  [openaiTranslations.name]: openaiTranslations,
  [openaiVideos.name]: openaiVideos,
  [rerank.name]: rerank,
  [unifiedBlocks.name]: unifiedBlocks,
}

/** `undefined` for a name that this release does not know: a stored run may be of a newer release. */
export function findDialect(name: string): Dialect | undefined {
  return Object.hasOwn(dialects, name) ? dialects[name] : undefined
}

/** The same; throws what it does not find. */
export function getDialect(name: string): Dialect {
  const dialect = findDialect(name)
  if (dialect === undefined) throw new GatewayError('internal_error', `This release has no dialect ${name}.`)
  return dialect
}

/** For a run that streams, or is asked for as a stream. Throws `invalid_request` if it never can be one. */
export function getStreamDialect(name: string): StreamDialect {
  const dialect = getDialect(name)
  if (isStreamDialect(dialect)) return dialect
  throw new GatewayError(
    'invalid_request',
    'This endpoint answers in one piece: there are no events to read.',
  )
}

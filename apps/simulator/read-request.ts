import { hash } from 'node:crypto'
import { parseForm, type Media } from '#libs/core'
import {
  planAnswer,
  promptPieces,
  beginVideo,
  parseSimulatorModel,
  showVideo,
  simulateEmbeddings,
  simulateSpeech,
  simulateTranscription,
} from '#libs/providers'
import type { AnswerPlan, SimulatorSettings } from '#libs/providers'
import { invalid, parseChatRequest, parseObject } from './chat-request.ts'

/** A request as far as the server must know it, whichever endpoint it came to. */
export interface ReadRequest {
  model: string
  stream: boolean
  includeUsage: boolean
  plan(settings: SimulatorSettings): AnswerPlan
  /** The messages of the prompt as texts, for a prompt cache; absent where there is nothing to cache. */
  pieces?: () => string[]
  /** The body of the answer where the plan does not tell it; JSON if it is a string. */
  whole?: string | Media
}

export function readChatRequest({ bytes }: Media): ReadRequest {
  const { plan, ...request } = parseChatRequest(bytes.toString())
  return { ...request, plan: (settings) => planAnswer(plan, settings), pieces: () => promptPieces(plan) }
}

export function readEmbeddingsRequest({ bytes }: Media): ReadRequest {
  const body = parseObject(bytes.toString())
  const model = readModel(body.model)
  return atOnce(bytes, model, simulateEmbeddings(body, model))
}

export function readSpeechRequest({ bytes }: Media): ReadRequest {
  const body = parseObject(bytes.toString())
  return atOnce(bytes, readModel(body.model), simulateSpeech(body))
}

export function readTranscriptionRequest(form: Media): ReadRequest {
  const part = parseForm(form).find(({ name }) => name === 'model')
  const model = readModel(part && form.bytes.toString('utf8', part.start, part.end))
  return atOnce(form.bytes, model, simulateTranscription(form))
}

export function readVideoRequest({ bytes }: Media): ReadRequest {
  const body = parseObject(bytes.toString())
  const model = readModel(body.model)
  const id = beginVideo(body, parseSimulatorModel(model))
  return atOnce(bytes, model, JSON.stringify(showVideo(id)))
}

function readModel(model: unknown): string {
  if (typeof model !== 'string') throw invalid('model', 'must be a string')
  return model
}

/** The answer has no tokens, so that it is due at once. */
function atOnce(body: Buffer, model: string, whole: string | Media): ReadRequest {
  const promptHash = hash('sha256', body, 'hex').slice(0, 32)
  const plan: AnswerPlan = { words: [], finish: 'stop', inputTokens: 0, outputTokens: 0, promptHash }
  return { model, stream: false, includeUsage: false, plan: () => plan, whole }
}

import { hash } from 'node:crypto'
import { planAnswer, simulateEmbeddings } from '#libs/providers'
import type { AnswerPlan, SimulatorSettings } from '#libs/providers'
import { invalid, parseChatRequest, parseObject } from './chat-request.ts'

/** A request as far as the server must know it, whichever endpoint it came to. */
export interface ReadRequest {
  model: string
  stream: boolean
  includeUsage: boolean
  plan(settings: SimulatorSettings): AnswerPlan
  /** The body of the answer where the plan does not tell it. */
  whole?: string
}

export function readChatRequest(text: string): ReadRequest {
  const { plan, ...request } = parseChatRequest(text)
  return { ...request, plan: (settings) => planAnswer(plan, settings) }
}

/** The answer has no tokens, so that it is due at once. */
export function readEmbeddingsRequest(text: string): ReadRequest {
  const body = parseObject(text)
  if (typeof body.model !== 'string') throw invalid('model', 'must be a string')
  const promptHash = hash('sha256', text, 'hex').slice(0, 32)
  const plan: AnswerPlan = { words: [], finish: 'stop', inputTokens: 0, outputTokens: 0, promptHash }
  return {
    model: body.model,
    stream: false,
    includeUsage: false,
    plan: () => plan,
    whole: simulateEmbeddings(body, body.model),
  }
}

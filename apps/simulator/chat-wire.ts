import { createRunId } from '#libs/core'
import type { GatewayError } from '#libs/core'
import type { AnswerPlan } from '#libs/providers'

/** The strings of one answer in OpenAI's wire format, each a whole event. */
export interface ChatEvents {
  opening: string
  /** The events of the words from one index up to another, joined. */
  words(from: number, to: number): string
  /** Finish, usage where it was asked for, and `[DONE]`. */
  closing: string
}

/** The parts of a chunk that do not change are joined once a stream, since this runs for each token of a benchmark. */
export function chatEvents(plan: AnswerPlan, model: string, includeUsage: boolean): ChatEvents {
  const fields = { id: createRunId('chatcmpl-sim'), object: 'chat.completion.chunk', created: now(), model }
  const head = `${JSON.stringify(fields).slice(0, -1)},"choices":[`
  const tail = includeUsage ? '],"usage":null}\n\n' : ']}\n\n'
  const chunk = (delta: string, finish: string) =>
    `data: ${head}{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}${tail}`
  const beforeWord =
    plan.toolCall === undefined ? '{"content":' : '{"tool_calls":[{"index":0,"function":{"arguments":'
  const afterWord = plan.toolCall === undefined ? '}' : '}}]}'
  return {
    opening: openingDeltas(plan)
      .map((delta) => chunk(JSON.stringify(delta), 'null'))
      .join(''),
    words(from, to) {
      let events = ''
      for (const word of plan.words.slice(from, to)) {
        events += chunk(beforeWord + JSON.stringify(word) + afterWord, 'null')
      }
      return events
    },
    closing:
      chunk('{}', `"${plan.finish}"`) +
      (includeUsage ? `data: ${head}],"usage":${JSON.stringify(usageOf(plan))}}\n\n` : '') +
      'data: [DONE]\n\n',
  }
}

function openingDeltas({ toolCall }: AnswerPlan): unknown[] {
  if (toolCall === undefined) return [{ role: 'assistant', content: '', refusal: null }]
  const { id, name } = toolCall
  return [
    { role: 'assistant', content: null },
    { tool_calls: [{ index: 0, id, type: 'function', function: { name, arguments: '' } }] },
  ]
}

/** The body of a call that does not stream. */
export function chatCompletion(plan: AnswerPlan, model: string): string {
  const text = plan.words.join('')
  const { toolCall } = plan
  const message = {
    role: 'assistant',
    content: toolCall === undefined ? text : null,
    refusal: null,
    ...(toolCall !== undefined && {
      tool_calls: [{ id: toolCall.id, type: 'function', function: { name: toolCall.name, arguments: text } }],
    }),
  }
  return JSON.stringify({
    id: createRunId('chatcmpl-sim'),
    object: 'chat.completion',
    created: now(),
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: plan.finish }],
    usage: usageOf(plan),
  })
}

function usageOf({ inputTokens, outputTokens, cachedTokens = 0 }: AnswerPlan) {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    completion_tokens_details: { reasoning_tokens: 0 },
  }
}

export interface ChatError {
  status: number
  /** OpenAI's envelope. */
  body: string
}

const faultTypes: Record<number, [type: string, code: string | null]> = {
  400: ['invalid_request_error', null],
  401: ['invalid_request_error', 'invalid_api_key'],
  429: ['rate_limit_error', 'rate_limit_exceeded'],
  500: ['server_error', null],
  503: ['service_unavailable_error', 'server_is_overloaded'],
  529: ['overloaded_error', 'overloaded'],
}

/** An error that a model's name asks for, in OpenAI's own words for the status. */
export function faultError(status: number): ChatError {
  const [type, code] = faultTypes[status] ?? ['server_error', null]
  return envelope(status, {
    message: `The simulator failed with ${status}, as it was asked to.`,
    type,
    param: null,
    code,
  })
}

/** A refusal of the simulator's own. */
export function refusalError({ status, message, type, param, code }: GatewayError): ChatError {
  return envelope(status, { message, type, param, code })
}

function envelope(status: number, error: Record<'message' | 'type' | 'param' | 'code', string | null>) {
  return { status, body: JSON.stringify({ error }) }
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}

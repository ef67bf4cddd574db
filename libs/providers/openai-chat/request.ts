import type { CanonicalRequest, ResponseFormat, Tool } from '#libs/core'
import { toChatMessages } from './messages.ts'

type JsonObject = Record<string, unknown>

/**
 * `openai` refuses fields that it doesn't know and the old name of the token limit. Others know the old name at least,
 * and have fields of their own: `top_k`, and the thoughts of earlier turns.
 */
export type ChatFlavour = 'openai' | 'compatible'

/** OpenAI takes no longer ones, and it is a hint. */
const longestUser = 64

/** The chat body of a request. A thinking budget, which only some models have, is left out as the hint that it is. */
export function toChatBody(request: CanonicalRequest, flavour: ChatFlavour): JsonObject {
  const { maxOutputTokens, tools, toolChoice, stop, responseFormat, logprobs, user } = request
  const limit = flavour === 'openai' ? 'max_completion_tokens' : 'max_tokens'
  return withoutUndefined({
    model: request.model,
    messages: toChatMessages(request, flavour),
    stream: true,
    stream_options: { include_usage: true },
    [limit]: maxOutputTokens,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: flavour === 'openai' ? undefined : request.topK,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    stop: stop.length > 0 ? stop : undefined,
    seed: request.seed,
    reasoning_effort: request.reasoning?.effort,
    response_format: responseFormat === undefined ? undefined : toWireFormat(responseFormat),
    logprobs: logprobs === undefined ? undefined : true,
    top_logprobs: logprobs?.top,
    user: user !== undefined && user.length <= longestUser ? user : undefined,
    ...(tools.length > 0 && {
      tools: tools.map(toWireTool),
      tool_choice:
        typeof toolChoice === 'object'
          ? { type: 'function', function: { name: toolChoice.name } }
          : toolChoice,
      parallel_tool_calls: request.parallelToolCalls,
    }),
  })
}

function toWireTool({ name, description, parameters, strict }: Tool): JsonObject {
  return { type: 'function', function: withoutUndefined({ name, description, parameters, strict }) }
}

function toWireFormat(format: ResponseFormat): JsonObject {
  if (format.type === 'json') return { type: 'json_object' }
  const { name, schema, strict } = format
  return { type: 'json_schema', json_schema: withoutUndefined({ name, schema, strict }) }
}

function withoutUndefined(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined))
}

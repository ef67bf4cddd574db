import { GatewayError, isJsonObject, type CanonicalRequest, type Tool } from '#libs/core'
import { toCacheControl, toTurns } from './messages.ts'

type JsonObject = Record<string, unknown>

/** Anthropic wants to be told how long an answer may get; a client of another dialect may leave it out. */
const defaultMaxTokens = 8192

/** Efforts as Anthropic names them, where others have another word. */
const efforts: ReadonlyMap<string, string> = new Map([['minimal', 'low']])

/**
 * The Messages body of a request. Hints that Anthropic doesn't know (seed, penalties) are left out; what the answer
 * would lack without a word is refused.
 */
export function toMessagesBody(request: CanonicalRequest): JsonObject {
  const { responseFormat, system, tools, stop, temperature, topP, topK, user } = request
  if (request.logprobs !== undefined) refuse('logprobs', "it can't tell logprobs")
  if (responseFormat?.type === 'json') {
    refuse('response_format', "it has no JSON mode without a schema: use 'json_schema'")
  }
  const thinking = toThinking(request)
  const budget = Number(thinking?.budget_tokens ?? 0)
  return {
    ...readExtensions(request),
    model: request.model,
    max_tokens: request.maxOutputTokens ?? defaultMaxTokens + budget,
    ...(system.length > 0 && {
      system: system
        .filter(({ text }) => text !== '')
        .map(({ text, cache }) => ({ type: 'text', text, ...toCacheControl(cache) })),
    }),
    messages: toTurns(request.messages),
    ...(tools.length > 0 && { tools: tools.map(toTool), ...toToolChoice(request) }),
    ...(stop.length > 0 && { stop_sequences: stop }),
    // Others count to 2 here.
    ...(temperature !== undefined && { temperature: Math.min(temperature, 1) }),
    ...(topP !== undefined && { top_p: topP }),
    ...(topK !== undefined && { top_k: topK }),
    ...(user !== undefined && { metadata: { user_id: user } }),
    ...(thinking !== undefined && { thinking }),
    ...toOutputConfig(request),
    stream: true,
  }
}

/** Fields of Anthropic's own; a chat client may send `thinking` too, as several gateways have it. */
function readExtensions({ extensions }: CanonicalRequest): JsonObject {
  const own = extensions['anthropic-messages']
  return isJsonObject(own) ? own : {}
}

function toThinking({ reasoning, extensions }: CanonicalRequest): JsonObject | undefined {
  for (const dialect of ['anthropic-messages', 'openai-chat']) {
    const extension = extensions[dialect]
    if (isJsonObject(extension) && isJsonObject(extension.thinking)) return extension.thinking
  }
  if (reasoning?.budgetTokens !== undefined) return { type: 'enabled', budget_tokens: reasoning.budgetTokens }
  if (reasoning?.effort === undefined) return undefined
  return { type: reasoning.effort === 'none' ? 'disabled' : 'adaptive' }
}

function toOutputConfig({ reasoning, responseFormat }: CanonicalRequest): JsonObject {
  const effort = reasoning?.effort
  const config = {
    ...(effort !== undefined && effort !== 'none' && { effort: efforts.get(effort) ?? effort }),
    ...(responseFormat?.type === 'json-schema' && {
      format: { type: 'json_schema', schema: responseFormat.schema },
    }),
  }
  return Object.keys(config).length === 0 ? {} : { output_config: config }
}

function toTool({ name, description, parameters, strict, cache }: Tool): JsonObject {
  return {
    name,
    ...(description !== undefined && { description }),
    input_schema: { type: 'object', ...parameters },
    ...(strict !== undefined && { strict }),
    ...toCacheControl(cache),
  }
}

function toToolChoice({ toolChoice, parallelToolCalls }: CanonicalRequest): JsonObject {
  const single = parallelToolCalls === false && toolChoice !== 'none'
  if (toolChoice === undefined && !single) return {}
  const choice =
    typeof toolChoice === 'object'
      ? { type: 'tool', name: toolChoice.name }
      : { type: toolChoice === 'required' ? 'any' : (toolChoice ?? 'auto') }
  return { tool_choice: { ...choice, ...(single && { disable_parallel_tool_use: true }) } }
}

function refuse(param: string, reason: string): never {
  throw new GatewayError('invalid_request', `The model that answers this request can't do it: ${reason}.`, {
    param,
  })
}

import { GatewayError, isJsonObject, type CanonicalRequest, type Tool } from '#libs/core'
import type { ProviderOptions } from '../provider.ts'
import { toCachePoint, toTurns } from './messages.ts'

type JsonObject = Record<string, unknown>

/** Fields of Bedrock's own that a client may send beside those of its dialect. */
const ownFields = ['additionalModelRequestFields', 'performanceConfig', 'requestMetadata', 'serviceTier']

/**
 * The body of a Converse request. Hints that Converse doesn't know (seed, penalties) are left out; what the answer
 * would lack without a word is refused.
 */
export function toConverseBody(request: CanonicalRequest, options: ProviderOptions = {}): JsonObject {
  const { responseFormat, system, maxOutputTokens, temperature, topP, stop, extensions } = request
  if (request.logprobs !== undefined) refuse('logprobs', "it can't tell logprobs")
  if (responseFormat?.type === 'json') {
    refuse('response_format', "it has no JSON mode without a schema: use 'json_schema'")
  }
  const own = isJsonObject(extensions['openai-chat']) ? extensions['openai-chat'] : {}
  const inferenceConfig = {
    ...(maxOutputTokens !== undefined && { maxTokens: maxOutputTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(stop.length > 0 && { stopSequences: stop }),
  }
  const modelFields = { ...toModelFields(request), ...asObject(own.additionalModelRequestFields) }
  return {
    ...Object.fromEntries(ownFields.filter((name) => name in own).map((name) => [name, own[name]])),
    messages: toTurns(request.messages),
    ...(system.length > 0 && {
      system: system.flatMap(({ text, cache }) => [
        ...(text === '' ? [] : [{ text }]),
        ...toCachePoint(cache),
      ]),
    }),
    ...(Object.keys(inferenceConfig).length > 0 && { inferenceConfig }),
    ...toToolConfig(request),
    ...(responseFormat !== undefined && {
      outputConfig: {
        textFormat: {
          type: 'json_schema',
          structure: {
            jsonSchema: { name: responseFormat.name, schema: JSON.stringify(responseFormat.schema) },
          },
        },
      },
    }),
    ...(Object.keys(modelFields).length > 0 && { additionalModelRequestFields: modelFields }),
    ...toGuardrail(options, own),
  }
}

/** The operator's guardrail before the client's. */
function toGuardrail(options: ProviderOptions, own: JsonObject): JsonObject {
  if (options.guardrail_id !== undefined) {
    const guardrailVersion = options.guardrail_version ?? 'DRAFT'
    return { guardrailConfig: { guardrailIdentifier: options.guardrail_id, guardrailVersion } }
  }
  return own.guardrailConfig === undefined ? {} : { guardrailConfig: own.guardrailConfig }
}

/** Converse has no word for tools that may not be called: they are left out. */
function toToolConfig({ tools, toolChoice }: CanonicalRequest): JsonObject {
  if (tools.length === 0 || toolChoice === 'none') return {}
  return {
    toolConfig: {
      tools: tools.flatMap((tool) => [toTool(tool), ...toCachePoint(tool.cache)]),
      ...(typeof toolChoice === 'object' && { toolChoice: { tool: { name: toolChoice.name } } }),
      ...(toolChoice === 'required' && { toolChoice: { any: {} } }),
    },
  }
}

function toTool({ name, description, parameters, strict }: Tool): JsonObject {
  return {
    toolSpec: {
      name,
      ...(description !== undefined && description !== '' && { description }),
      inputSchema: { json: { type: 'object', ...parameters } },
      ...(strict !== undefined && { strict }),
    },
  }
}

/** What each maker of models has its own words for. */
function toModelFields(request: CanonicalRequest): JsonObject {
  const { model, topK, reasoning, toolChoice, parallelToolCalls } = request
  const effort = reasoning?.effort
  if (model.includes('anthropic.')) {
    const thinking = readThinking(request) ?? toThinking(reasoning)
    const isSingle = parallelToolCalls === false && (toolChoice === undefined || toolChoice === 'auto')
    return {
      ...(topK !== undefined && { top_k: topK }),
      ...(thinking !== undefined && { thinking }),
      ...(effort !== undefined &&
        effort !== 'none' && {
          output_config: { effort: effort === 'minimal' ? 'low' : effort },
        }),
      ...(isSingle &&
        request.tools.length > 0 && {
          tool_choice: { type: 'auto', disable_parallel_tool_use: true },
        }),
    }
  }
  if (model.includes('amazon.nova')) {
    return {
      ...(topK !== undefined && { inferenceConfig: { topK } }),
      ...(effort !== undefined && {
        reasoningConfig:
          effort === 'none' ? { type: 'disabled' } : { type: 'enabled', maxReasoningEffort: effort },
      }),
    }
  }
  if (effort !== undefined && !model.includes('openai.')) {
    refuse('reasoning_effort', "it is not known how its effort is told: use 'additionalModelRequestFields'")
  }
  return {
    ...(topK !== undefined && { top_k: topK }),
    ...(effort !== undefined && { reasoning_effort: effort }),
  }
}

/** As Anthropic's clients write it, and chat clients of several gateways. */
function readThinking({ extensions }: CanonicalRequest): JsonObject | undefined {
  return ['anthropic-messages', 'openai-chat']
    .map((dialect) => asObject(extensions[dialect]).thinking)
    .find(isJsonObject)
}

function toThinking(reasoning: CanonicalRequest['reasoning']): JsonObject | undefined {
  if (reasoning?.budgetTokens !== undefined) return { type: 'enabled', budget_tokens: reasoning.budgetTokens }
  if (reasoning?.effort === undefined) return undefined
  return { type: reasoning.effort === 'none' ? 'disabled' : 'adaptive' }
}

function asObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {}
}

function refuse(param: string, reason: string): never {
  throw new GatewayError('invalid_request', `The model that answers this request can't do it: ${reason}.`, {
    param,
  })
}

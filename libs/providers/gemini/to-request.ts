import { GatewayError, isJsonObject, type CanonicalRequest, type ToolChoice } from '#libs/core'
import { toContents } from './to-contents.ts'

type JsonObject = Record<string, unknown>

/**
 * The body of a streamGenerateContent call. Gemini has no word for `parallelToolCalls` and `user`, which change no
 * answer that would be wrong without them; what would is refused.
 */
export function toRequest(request: CanonicalRequest): JsonObject {
  const { model, system, messages, tools, toolChoice, extensions } = request
  if (request.logprobs !== undefined) {
    throw new GatewayError('invalid_request', 'This model tells no log probabilities in this dialect.', {
      param: 'logprobs',
    })
  }
  const own = isJsonObject(extensions.gemini) ? extensions.gemini : {}
  const generationConfig = toGenerationConfig(request)
  return {
    ...(own.safetySettings !== undefined && { safetySettings: own.safetySettings }),
    ...(system.length > 0 && { systemInstruction: { parts: system.map(({ text }) => ({ text })) } }),
    contents: toContents(messages, generationOf(model) >= 3),
    ...(tools.length > 0 && {
      tools: [
        {
          functionDeclarations: tools.map(({ name, description, parameters }) => ({
            name,
            ...(description !== undefined && { description }),
            parametersJsonSchema: parameters,
          })),
        },
      ],
    }),
    ...(toolChoice !== undefined && { toolConfig: { functionCallingConfig: toCallingConfig(toolChoice) } }),
    ...(Object.keys(generationConfig).length > 0 && { generationConfig }),
  }
}

function toGenerationConfig(request: CanonicalRequest): JsonObject {
  const { stop, responseFormat } = request
  const config: JsonObject = {
    temperature: request.temperature,
    topP: request.topP,
    topK: request.topK,
    maxOutputTokens: request.maxOutputTokens,
    stopSequences: stop.length > 0 ? stop : undefined,
    seed: request.seed,
    presencePenalty: request.presencePenalty,
    frequencyPenalty: request.frequencyPenalty,
    responseMimeType: responseFormat === undefined ? undefined : 'application/json',
    responseJsonSchema: responseFormat?.type === 'json-schema' ? responseFormat.schema : undefined,
    thinkingConfig: toThinkingConfig(request),
  }
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined))
}

/** What Google's own OpenAI endpoint makes of an effort, for models that know budgets only. */
const budgets: Readonly<Record<string, number>> = {
  none: 0,
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576,
}

/** Models before Gemini 3 take a number of tokens, later ones a level. Thoughts are told only if one asks for them. */
function toThinkingConfig({ model, reasoning }: CanonicalRequest): JsonObject | undefined {
  if (reasoning === undefined) return undefined
  const { effort, budgetTokens } = reasoning
  if (budgetTokens !== undefined) {
    return { thinkingBudget: budgetTokens, includeThoughts: budgetTokens > 0 }
  }
  if (effort === undefined) return { includeThoughts: true }
  const budget = budgets[effort]
  if (generationOf(model) < 3) {
    return budget === undefined
      ? { includeThoughts: true }
      : { thinkingBudget: budget, includeThoughts: budget > 0 }
  }
  // Gemini 3 can't be kept from thinking; it has no level below minimal and none above high.
  if (effort === 'none') return { thinkingLevel: 'minimal' }
  return { thinkingLevel: effort === 'xhigh' || effort === 'max' ? 'high' : effort, includeThoughts: true }
}

/** 3 for `gemini-3-pro`; a Gemini without a number, such as `gemini-flash-latest`, is the newest, others are older. */
function generationOf(model: string): number {
  const [, digits] = /gemini-(\d*)/.exec(model) ?? []
  return digits === '' ? Number.POSITIVE_INFINITY : Number(digits ?? 0)
}

function toCallingConfig(choice: ToolChoice): JsonObject {
  if (typeof choice === 'object') return { mode: 'ANY', allowedFunctionNames: [choice.name] }
  return { mode: { auto: 'AUTO', none: 'NONE', required: 'ANY' }[choice] }
}

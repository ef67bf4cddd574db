import {
  isJsonObject,
  type CanonicalRequest,
  type ResponseFormat,
  type Tool,
  type ToolChoice,
} from '#libs/core'
import { refuse } from '../../request/checks.ts'
import { decodeContents, decodeSystem } from './decode-contents.ts'
import { readBody, type GeminiBody } from './gemini-body.ts'
import { toJsonSchema } from './to-json-schema.ts'

/**
 * Translates the body. What no canonical field holds travels in `extensions`; what the answer would silently lack
 * (a second candidate, a picture, a search) is refused, naming the field.
 */
export function decodeRequest(body: unknown, model: string): CanonicalRequest {
  const { contents, systemInstruction, tools, toolConfig, generationConfig, ...others } = readBody(body)
  if (others.cachedContent) refuse('cachedContent', 'This model cannot see contents that Google has cached.')
  const { mode, allowedFunctionNames } = toolConfig?.functionCallingConfig ?? {}
  const allowed = mode === 'ANY' && allowedFunctionNames?.length ? allowedFunctionNames : undefined
  const choice = decodeToolChoice(mode, allowed)
  const { kept, ...settings } = decodeSettings(generationConfig)
  const { model: _model, cachedContent: _cachedContent, ...rest } = others
  const extensions = { ...rest, ...(Object.keys(kept).length > 0 && { generationConfig: kept }) }
  return {
    model,
    system: decodeSystem(systemInstruction),
    messages: decodeContents(contents),
    tools: decodeTools(tools).filter(({ name }) => allowed?.includes(name) ?? true),
    ...(choice !== undefined && { toolChoice: choice }),
    ...settings,
    extensions: Object.keys(extensions).length === 0 ? {} : { gemini: extensions },
  }
}

function decodeTools(tools: GeminiBody['tools']): Tool[] {
  return (tools ?? []).flatMap(({ functionDeclarations, ...others }, index) => {
    const [builtIn] = Object.entries(others).filter(([, value]) => isJsonObject(value))
    if (builtIn !== undefined) {
      refuse(`tools[${index}].${builtIn[0]}`, 'This model takes tools of the kind functionDeclarations only.')
    }
    return (functionDeclarations ?? []).map((declaration): Tool => {
      const { name, description, parameters, parametersJsonSchema } = declaration
      const schema = isJsonObject(parametersJsonSchema)
        ? parametersJsonSchema
        : toJsonSchema(parameters ?? { type: 'object', properties: {} })
      return { name, parameters: schema, ...(description && { description }) }
    })
  })
}

function decodeToolChoice(
  mode: string | null | undefined,
  allowed: readonly string[] | undefined,
): ToolChoice | undefined {
  if (mode === 'NONE') return 'none'
  if (mode === 'AUTO' || mode === 'VALIDATED') return 'auto'
  if (mode !== 'ANY') return undefined
  const [only] = allowed ?? []
  return only !== undefined && allowed?.length === 1 ? { name: only } : 'required'
}

type Settings = Omit<CanonicalRequest, 'model' | 'system' | 'messages' | 'tools' | 'extensions'>

/** `kept` is what has no canonical field. */
function decodeSettings(
  config: GeminiBody['generationConfig'],
): Settings & { kept: Record<string, unknown> } {
  const {
    temperature,
    topP,
    topK,
    maxOutputTokens,
    candidateCount,
    seed,
    presencePenalty,
    frequencyPenalty,
    stopSequences,
    responseMimeType,
    responseSchema,
    responseJsonSchema,
    responseModalities,
    responseLogprobs,
    thinkingConfig,
    ...kept
  } = config ?? {}
  if ((candidateCount ?? 1) > 1) {
    refuse('generationConfig.candidateCount', 'This model gives one candidate at a time.')
  }
  if (responseModalities?.some((modality) => modality.toUpperCase() !== 'TEXT')) {
    refuse('generationConfig.responseModalities', 'This model answers with text only.')
  }
  if (responseLogprobs === true) {
    refuse('generationConfig.responseLogprobs', 'This model tells no log probabilities in this dialect.')
  }
  const { thinkingBudget, thinkingLevel } = thinkingConfig ?? {}
  const format = decodeFormat(responseMimeType, responseJsonSchema ?? toSchema(responseSchema))
  const reasoning = {
    ...(thinkingLevel &&
      thinkingLevel !== 'THINKING_LEVEL_UNSPECIFIED' && { effort: thinkingLevel.toLowerCase() }),
    // -1 leaves it to the model, as saying nothing does.
    ...(typeof thinkingBudget === 'number' && thinkingBudget >= 0 && { budgetTokens: thinkingBudget }),
  }
  return {
    stop: stopSequences ?? [],
    ...(typeof maxOutputTokens === 'number' && { maxOutputTokens }),
    ...(typeof temperature === 'number' && { temperature }),
    ...(typeof topP === 'number' && { topP }),
    ...(typeof topK === 'number' && { topK }),
    ...(typeof frequencyPenalty === 'number' && { frequencyPenalty }),
    ...(typeof presencePenalty === 'number' && { presencePenalty }),
    ...(typeof seed === 'number' && { seed }),
    ...(format !== undefined && { responseFormat: format }),
    ...(Object.keys(reasoning).length > 0 && { reasoning }),
    kept,
  }
}

function decodeFormat(mimeType: string | null | undefined, schema: unknown): ResponseFormat | undefined {
  if (mimeType === 'text/x.enum') {
    refuse(
      'generationConfig.responseMimeType',
      'This model cannot answer with a bare enum: ask for application/json.',
    )
  }
  if (mimeType !== 'application/json') return undefined
  if (!isJsonObject(schema)) return { type: 'json' }
  return { type: 'json-schema', name: 'response', schema }
}

function toSchema(schema: Record<string, unknown> | null | undefined): Record<string, unknown> | undefined {
  return schema ? toJsonSchema(schema) : undefined
}

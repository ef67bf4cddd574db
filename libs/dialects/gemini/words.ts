import { isJsonObject, type FinishReason, type Usage } from '#libs/core'

const unifiedReasons: ReadonlyMap<string, FinishReason['unified']> = new Map([
  ['STOP', 'stop'],
  ['MAX_TOKENS', 'length'],
  ['CONTINUATION', 'length'],
  ['SAFETY', 'content_filter'],
  ['RECITATION', 'content_filter'],
  ['BLOCKLIST', 'content_filter'],
  ['PROHIBITED_CONTENT', 'content_filter'],
  ['SPII', 'content_filter'],
  ['IMAGE_SAFETY', 'content_filter'],
  ['IMAGE_PROHIBITED_CONTENT', 'content_filter'],
  ['IMAGE_RECITATION', 'content_filter'],
])

/** Gemini says STOP for tool calls as well, and has no word for a refusal or a pause. */
const wireReasons: Readonly<Record<FinishReason['unified'], string>> = {
  stop: 'STOP',
  tool_calls: 'STOP',
  length: 'MAX_TOKENS',
  content_filter: 'SAFETY',
  refusal: 'SAFETY',
  pause: 'OTHER',
  other: 'OTHER',
}

export function readFinishReason(raw: string): FinishReason {
  return { unified: unifiedReasons.get(raw) ?? 'other', raw }
}

export function toWireFinishReason(reason: FinishReason): string {
  return wireReasons[reason.unified]
}

/** Reads a `usageMetadata`: Gemini counts thoughts beside its output, and tools' results beside the prompt. */
export function readUsage(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined
  const count = (name: string): number | undefined => {
    const tokens = value[name]
    return typeof tokens === 'number' && tokens >= 0 ? tokens : undefined
  }
  const inputTokens = sum(count('promptTokenCount'), count('toolUsePromptTokenCount'))
  const outputTokens = sum(count('candidatesTokenCount'), count('thoughtsTokenCount'))
  const cacheReadTokens = count('cachedContentTokenCount')
  const reasoningTokens = count('thoughtsTokenCount')
  return {
    ...(inputTokens !== undefined && { inputTokens }),
    ...(outputTokens !== undefined && { outputTokens }),
    ...(cacheReadTokens !== undefined && { cacheReadTokens }),
    ...(reasoningTokens !== undefined && { reasoningTokens }),
    ...readMedia(value),
  }
}

/** What of the input and of the output is no text. */
function readMedia(usage: Record<string, unknown>): Partial<Usage> {
  const count = (list: unknown, modality: string): number => {
    const details = (Array.isArray(list) ? list : []).filter(isJsonObject)
    return Number(details.find((detail) => detail.modality === modality)?.tokenCount) || 0
  }
  const { promptTokensDetails: input, candidatesTokensDetails: output } = usage
  const media = {
    inputAudioTokens: count(input, 'AUDIO'),
    inputImageTokens: count(input, 'IMAGE'),
    outputAudioTokens: count(output, 'AUDIO'),
    outputImageTokens: count(output, 'IMAGE'),
  }
  return Object.fromEntries(Object.entries(media).filter(([, tokens]) => tokens > 0))
}

/** The `usageMetadata` of an answer. Only what the provider counted is in it. */
export function toWireUsage(usage: Usage): Record<string, number> {
  const { inputTokens, outputTokens, cacheReadTokens, reasoningTokens } = usage
  return {
    ...(inputTokens !== undefined && { promptTokenCount: inputTokens }),
    ...(outputTokens !== undefined && { candidatesTokenCount: outputTokens - (reasoningTokens ?? 0) }),
    ...(reasoningTokens !== undefined && { thoughtsTokenCount: reasoningTokens }),
    ...(cacheReadTokens !== undefined && { cachedContentTokenCount: cacheReadTokens }),
    ...(inputTokens !== undefined &&
      outputTokens !== undefined && { totalTokenCount: inputTokens + outputTokens }),
  }
}

function sum(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined ? right : left + (right ?? 0)
}

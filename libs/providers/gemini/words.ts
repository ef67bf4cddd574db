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

/** Gemini says STOP as well when it has called a tool. */
export function readFinishReason(raw: string, hasCalled: boolean): FinishReason {
  const unified = unifiedReasons.get(raw) ?? 'other'
  return { unified: unified === 'stop' && hasCalled ? 'tool_calls' : unified, raw }
}

/** Gemini counts thoughts beside its output and the results of its own tools beside the prompt. */
export function readUsage(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined
  const count = (name: string): number | undefined => {
    const tokens = value[name]
    return typeof tokens === 'number' && tokens >= 0 ? tokens : undefined
  }
  const prompt = count('promptTokenCount')
  const thoughts = count('thoughtsTokenCount')
  const said = count('candidatesTokenCount') ?? thoughts
  const cached = count('cachedContentTokenCount')
  return {
    ...(prompt !== undefined && { inputTokens: prompt + (count('toolUsePromptTokenCount') ?? 0) }),
    ...(said !== undefined && {
      outputTokens: said + (count('candidatesTokenCount') === undefined ? 0 : (thoughts ?? 0)),
    }),
    ...(cached !== undefined && { cacheReadTokens: cached }),
    ...(thoughts !== undefined && { reasoningTokens: thoughts }),
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

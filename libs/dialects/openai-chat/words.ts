import { isJsonObject, type FinishReason, type Usage } from '#libs/core'

const unifiedReasons: Readonly<Record<string, FinishReason['unified']>> = {
  stop: 'stop',
  eos: 'stop',
  length: 'length',
  model_length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
}

/**
 * `finish_reason` is a closed list. A refusal is in it as the model's own filter; what the list has no word for is
 * `other`, outside of it, since `stop` would be a success that nobody claimed. The provider's word goes beside it as `native_finish_reason`.
 */
const wireReasons: Readonly<Record<FinishReason['unified'], string>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  content_filter: 'content_filter',
  refusal: 'content_filter',
  pause: 'other',
  other: 'other',
}

/** Words outside of the closed list that say the same as one in it, and at which strict clients break. */
const aliases: Readonly<Record<string, string>> = { eos: 'stop', model_length: 'length' }

/** Puts the listed word in place of an alias, in place, and the provider's own beside it. True if there was one. */
export function mendFinishReasons(choices: readonly unknown[]): boolean {
  let isChanged = false
  for (const choice of choices) {
    if (!isJsonObject(choice) || typeof choice.finish_reason !== 'string') continue
    const raw = choice.finish_reason
    if (!Object.hasOwn(aliases, raw)) continue
    choice.finish_reason = aliases[raw]
    choice.native_finish_reason = raw
    isChanged = true
  }
  return isChanged
}

export function readFinishReason(raw: string): FinishReason {
  return { unified: Object.hasOwn(unifiedReasons, raw) ? (unifiedReasons[raw] ?? 'other') : 'other', raw }
}

export function toWireFinishReason(reason: FinishReason): string {
  return wireReasons[reason.unified]
}

/** Reads the `usage` object of a chunk or an answer; also the cache hits as DeepSeek tells them. */
export function readUsage(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined
  const input = isJsonObject(value.prompt_tokens_details) ? value.prompt_tokens_details : {}
  const output = isJsonObject(value.completion_tokens_details) ? value.completion_tokens_details : {}
  const reasoningTokens = toCount(output.reasoning_tokens)
  return withoutUndefined({
    inputTokens: toCount(value.prompt_tokens),
    outputTokens: readOutputTokens(value, reasoningTokens ?? 0),
    cacheReadTokens: toCount(input.cached_tokens) ?? toCount(value.prompt_cache_hit_tokens),
    cacheWriteTokens: toCount(input.cache_write_tokens),
    reasoningTokens,
    inputAudioTokens: toCount(input.audio_tokens) || undefined,
    inputImageTokens: toCount(input.image_tokens) || undefined,
    outputAudioTokens: toCount(output.audio_tokens) || undefined,
  })
}

/** With the reasoning, which xAI alone counts beside the output: its total then is the sum of all three. */
function readOutputTokens(usage: Record<string, unknown>, reasoningTokens: number): number | undefined {
  const said = toCount(usage.completion_tokens)
  if (said === undefined || reasoningTokens === 0) return said
  const isBeside = usage.total_tokens === (toCount(usage.prompt_tokens) ?? 0) + said + reasoningTokens
  return isBeside ? said + reasoningTokens : said
}

/** The `usage` object of an answer. Only what the provider counted is in it. */
export function toWireUsage(usage: Usage): Record<string, unknown> {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, reasoningTokens } = usage
  const knowsCache = cacheReadTokens !== undefined || cacheWriteTokens !== undefined
  return withoutUndefined({
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens:
      inputTokens !== undefined && outputTokens !== undefined ? inputTokens + outputTokens : undefined,
    prompt_tokens_details: knowsCache
      ? withoutUndefined({ cached_tokens: cacheReadTokens, cache_write_tokens: cacheWriteTokens })
      : undefined,
    completion_tokens_details:
      reasoningTokens === undefined ? undefined : { reasoning_tokens: reasoningTokens },
  })
}

function toCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

function withoutUndefined<T extends Record<string, unknown>>(
  record: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

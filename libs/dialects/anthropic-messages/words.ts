import { isJsonObject, type FinishReason, type Usage } from '#libs/core'

const unifiedReasons: Readonly<Record<string, FinishReason['unified']>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  pause_turn: 'pause',
  refusal: 'refusal',
}

/** What nobody has a word for stays `other`, which is none of Anthropic's: `end_turn` would be a success nobody claimed. */
const wireReasons: Readonly<Record<FinishReason['unified'], string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
  refusal: 'refusal',
  pause: 'pause_turn',
  other: 'other',
}

/** Reads `stop_reason` and `stop_sequence`, which stand in an answer and in the `delta` of a `message_delta`. */
export function readFinishReason(holder: Record<string, unknown>): FinishReason | undefined {
  const { stop_reason: raw, stop_sequence: sequence } = holder
  if (typeof raw !== 'string' || raw === '') return undefined
  const unified = Object.hasOwn(unifiedReasons, raw) ? (unifiedReasons[raw] ?? 'other') : 'other'
  return { unified, raw, ...(typeof sequence === 'string' && { stopSequence: sequence }) }
}

export function toWireFinish({ unified, stopSequence }: FinishReason): {
  stop_reason: string
  stop_sequence: string | null
} {
  if (stopSequence !== undefined) return { stop_reason: 'stop_sequence', stop_sequence: stopSequence }
  return { stop_reason: wireReasons[unified], stop_sequence: null }
}

/**
 * Reads a `usage` object over what an earlier event of the same answer told: counts are totals, and those that have
 * not changed may be left out. Anthropic's `input_tokens` are those outside the cache, ours are all of them.
 */
export function readUsage(value: unknown, before: WireUsage = {}): WireUsage {
  if (!isJsonObject(value)) return before
  const output = isJsonObject(value.output_tokens_details) ? value.output_tokens_details : {}
  const written = isJsonObject(value.cache_creation) ? value.cache_creation : {}
  const told: WireUsage = {
    input: toCount(value.input_tokens),
    output: toCount(value.output_tokens),
    cacheRead: toCount(value.cache_read_input_tokens),
    cacheWrite: toCount(value.cache_creation_input_tokens),
    cacheWrite1h: toCount(written.ephemeral_1h_input_tokens),
    thinking: toCount(output.thinking_tokens),
  }
  return { ...before, ...withoutUndefined(told) }
}

/** Tokens as Anthropic counts them. */
export interface WireUsage {
  input?: number | undefined
  output?: number | undefined
  cacheRead?: number | undefined
  cacheWrite?: number | undefined
  cacheWrite1h?: number | undefined
  thinking?: number | undefined
}

export function toUsage(counts: WireUsage): Usage | undefined {
  const { input, output, cacheRead, cacheWrite, cacheWrite1h, thinking } = counts
  if (input === undefined && output === undefined) return undefined
  return withoutUndefined({
    inputTokens: input === undefined ? undefined : input + (cacheRead ?? 0) + (cacheWrite ?? 0),
    outputTokens: output,
    cacheReadTokens: cacheRead,
    cacheWriteTokens: cacheWrite,
    cacheWrite1hTokens: cacheWrite1h || undefined,
    reasoningTokens: thinking,
  })
}

/** The `usage` object of an answer. Both totals are always there, since clients take them for numbers. */
export function toWireUsage(usage: Usage | undefined): Record<string, unknown> {
  const {
    inputTokens = 0,
    outputTokens = 0,
    cacheReadTokens,
    cacheWriteTokens,
    reasoningTokens,
  } = usage ?? {}
  return withoutUndefined({
    input_tokens: Math.max(0, inputTokens - (cacheReadTokens ?? 0) - (cacheWriteTokens ?? 0)),
    cache_creation_input_tokens: cacheWriteTokens,
    cache_read_input_tokens: cacheReadTokens,
    output_tokens: outputTokens,
    output_tokens_details: reasoningTokens === undefined ? undefined : { thinking_tokens: reasoningTokens },
  })
}

function toCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

function withoutUndefined<T extends object>(record: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

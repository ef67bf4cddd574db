import { findTopLevelFields, isJsonObject, type FinishReason, type Usage } from '#libs/core'

type JsonObject = Record<string, unknown>

/** Events that end a stream. There is no `response.cancelled`: a cancelled response is an incomplete one. */
const terminalTypes = ['response.completed', 'response.incomplete', 'response.failed'] as const
export type TerminalType = (typeof terminalTypes)[number]

export function isTerminalType(type: string | undefined): type is TerminalType {
  return terminalTypes.some((terminal) => terminal === type)
}

/** The event's `type`, which its `event:` line repeats; `undefined` for what is no event. */
export function readType(frame: string): string | undefined {
  const first = /^\s*\{\s*"type"\s*:\s*"([\w.:-]+)"/.exec(frame)?.[1]
  if (first !== undefined) return first
  const field = findTopLevelFields(frame, ['type'])?.[0]
  return field === undefined ? undefined : /^"([\w.:-]+)"$/.exec(frame.slice(field.start, field.end))?.[1]
}

/** How a response ends that stopped for this reason; what nobody has a word for is not told as a success. */
export function toEnding(reason: FinishReason): { status: 'completed' | 'incomplete'; details: unknown } {
  switch (reason.unified) {
    case 'stop':
    case 'tool_calls':
      return { status: 'completed', details: null }
    case 'length':
      return { status: 'incomplete', details: { reason: 'max_output_tokens' } }
    case 'content_filter':
    case 'refusal':
      return { status: 'incomplete', details: { reason: 'content_filter' } }
    case 'pause':
    case 'other':
      return { status: 'incomplete', details: { reason: reason.raw ?? reason.unified } }
  }
}

/** Why a provider's response ended, by its status; `undefined` while it goes on, and for one that failed. */
export function readFinish(status: unknown, details: unknown, callsTools: boolean): FinishReason | undefined {
  if (status === 'completed') return { unified: callsTools ? 'tool_calls' : 'stop', raw: status }
  if (status !== 'incomplete') return undefined
  const raw = isJsonObject(details) && typeof details.reason === 'string' ? details.reason : status
  if (raw === 'max_output_tokens') return { unified: 'length', raw }
  return { unified: raw === 'content_filter' ? 'content_filter' : 'other', raw }
}

export function isToolCall(item: unknown): boolean {
  return isJsonObject(item) && (item.type === 'function_call' || item.type === 'custom_tool_call')
}

export function readUsage(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined
  const input = isJsonObject(value.input_tokens_details) ? value.input_tokens_details : {}
  const output = isJsonObject(value.output_tokens_details) ? value.output_tokens_details : {}
  return {
    ...count('inputTokens', value.input_tokens),
    ...count('outputTokens', value.output_tokens),
    ...count('cacheReadTokens', input.cached_tokens),
    ...count('cacheWriteTokens', input.cache_write_tokens),
    ...count('reasoningTokens', output.reasoning_tokens),
  }
}

/** Only what the provider counted; the two details are always there, since clients look into them unasked. */
export function toWireUsage(usage: Usage): JsonObject {
  const { inputTokens, outputTokens, cacheReadTokens, cacheWriteTokens, reasoningTokens } = usage
  return {
    ...count('input_tokens', inputTokens),
    input_tokens_details: {
      ...count('cached_tokens', cacheReadTokens),
      ...count('cache_write_tokens', cacheWriteTokens),
    },
    ...count('output_tokens', outputTokens),
    output_tokens_details: count('reasoning_tokens', reasoningTokens),
    ...(inputTokens !== undefined &&
      outputTokens !== undefined && { total_tokens: inputTokens + outputTokens }),
  }
}

function count<Name extends string>(name: Name, value: unknown): { [K in Name]?: number } {
  const isCount = typeof value === 'number' && Number.isFinite(value) && value >= 0
  return isCount ? ({ [name]: value } as { [K in Name]?: number }) : {}
}

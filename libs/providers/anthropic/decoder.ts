import { GatewayError, isJsonObject, type FinishReason, type Part, type Usage } from '#libs/core'
import { readErrorEvent } from './read-error.ts'

type JsonObject = Record<string, unknown>

/** A block between its start and its stop. */
type OpenBlock =
  | { type: 'text' }
  | { type: 'reasoning'; signature: string; redacted?: string }
  | { type: 'tool-call'; hasArguments: boolean; input: unknown }

const reasons: ReadonlyMap<string, FinishReason['unified']> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['pause_turn', 'pause'],
  ['refusal', 'refusal'],
])

/** Turns Messages events to parts. Blocks of a kind that no part tells (tools that run at Anthropic) are passed over. */
export function createDecoder(): (event: { event: string | undefined; data: string }) => Part[] {
  const blocks = new Map<unknown, OpenBlock>()
  let usage: JsonObject = {}

  function toFinish(event: JsonObject): Part[] {
    usage = merge(usage, event.usage)
    const { stop_reason: raw, stop_sequence: sequence } = asObject(event.delta)
    if (typeof raw !== 'string') return []
    const reason: FinishReason = {
      unified: reasons.get(raw) ?? 'other',
      raw,
      ...(typeof sequence === 'string' && { stopSequence: sequence }),
    }
    return [{ type: 'finish', reason, usage: toUsage(usage) }]
  }

  return ({ data }) => {
    const event = parseEvent(data)
    switch (event.type) {
      case 'message_start': {
        const { id, model, usage: counts } = asObject(event.message)
        usage = merge(usage, counts)
        return [
          {
            type: 'start',
            ...(typeof id === 'string' && { id }),
            ...(typeof model === 'string' && { model }),
          },
        ]
      }
      case 'content_block_start': {
        const { block, parts } = startBlock(asObject(event.content_block), Number(event.index))
        if (block !== undefined) blocks.set(event.index, block)
        return parts
      }
      case 'content_block_delta': {
        const block = blocks.get(event.index)
        return block === undefined ? [] : toDelta(block, asObject(event.delta), Number(event.index))
      }
      case 'content_block_stop': {
        const block = blocks.get(event.index)
        blocks.delete(event.index)
        return block === undefined ? [] : stopBlock(block, Number(event.index))
      }
      case 'message_delta':
        return toFinish(event)
      case 'error':
        throw readErrorEvent(asObject(event.error))
      default:
        return []
    }
  }
}

function startBlock(block: JsonObject, index: number): { block?: OpenBlock; parts: Part[] } {
  switch (block.type) {
    case 'text':
      return {
        block: { type: 'text' },
        parts: [
          { type: 'text-start' },
          ...textDelta(block.text),
          ...toArray(block.citations).flatMap(toCitation),
        ],
      }
    case 'thinking':
      return {
        block: { type: 'reasoning', signature: asText(block.signature) },
        parts: [{ type: 'reasoning-start' }, ...reasoningDelta(block.thinking)],
      }
    case 'redacted_thinking':
      return {
        block: { type: 'reasoning', signature: '', redacted: asText(block.data) },
        parts: [{ type: 'reasoning-start' }],
      }
    case 'tool_use':
      return {
        block: { type: 'tool-call', hasArguments: false, input: block.input },
        parts: [{ type: 'tool-call-start', index, id: asText(block.id), name: asText(block.name) }],
      }
    default:
      return { parts: [] }
  }
}

function toDelta(block: OpenBlock, delta: JsonObject, index: number): Part[] {
  switch (delta.type) {
    case 'text_delta':
      return textDelta(delta.text)
    case 'thinking_delta':
      return reasoningDelta(delta.thinking)
    case 'signature_delta':
      if (block.type === 'reasoning') block.signature = asText(delta.signature)
      return []
    case 'citations_delta':
      return toCitation(delta.citation)
    case 'input_json_delta': {
      const json = asText(delta.partial_json)
      if (json === '' || block.type !== 'tool-call') return []
      block.hasArguments = true
      return [{ type: 'tool-call-delta', index, arguments: json }]
    }
    default:
      return []
  }
}

function stopBlock(block: OpenBlock, index: number): Part[] {
  switch (block.type) {
    case 'text':
      return [{ type: 'text-end' }]
    case 'reasoning':
      return [
        {
          type: 'reasoning-end',
          ...(block.signature !== '' && { signature: block.signature }),
          ...(block.redacted !== undefined && { redacted: block.redacted }),
        },
      ]
    case 'tool-call': {
      const end: Part = { type: 'tool-call-end', index }
      if (block.hasArguments) return [end]
      // A call without arguments comes without deltas, and clients of other dialects parse what they got.
      const json = JSON.stringify(isJsonObject(block.input) ? block.input : {})
      return [{ type: 'tool-call-delta', index, arguments: json }, end]
    }
  }
}

function textDelta(text: unknown): Part[] {
  return typeof text === 'string' && text !== '' ? [{ type: 'text-delta', text }] : []
}

function reasoningDelta(text: unknown): Part[] {
  return typeof text === 'string' && text !== '' ? [{ type: 'reasoning-delta', text }] : []
}

function toCitation(citation: unknown): Part[] {
  return isJsonObject(citation) ? [{ type: 'citation', citation }] : []
}

/** Counts are totals, and later events leave out or null those that have not changed. */
function merge(before: JsonObject, counts: unknown): JsonObject {
  const told = Object.entries(asObject(counts)).filter(([, value]) => value !== null)
  return { ...before, ...Object.fromEntries(told) }
}

/** Anthropic's `input_tokens` are those outside the cache, ours are all of them. */
function toUsage(counts: JsonObject): Usage {
  const { input_tokens: input, output_tokens: output } = counts
  const { cache_read_input_tokens: read, cache_creation_input_tokens: written } = counts
  const { ephemeral_1h_input_tokens: forAnHour } = asObject(counts.cache_creation)
  const { thinking_tokens: thinking } = asObject(counts.output_tokens_details)
  return {
    ...(typeof input === 'number' && { inputTokens: input + toNumber(read) + toNumber(written) }),
    ...(typeof output === 'number' && { outputTokens: output }),
    ...(typeof read === 'number' && { cacheReadTokens: read }),
    ...(typeof written === 'number' && { cacheWriteTokens: written }),
    ...(toNumber(forAnHour) > 0 && { cacheWrite1hTokens: toNumber(forAnHour) }),
    ...(typeof thinking === 'number' && { reasoningTokens: thinking }),
  }
}

function parseEvent(data: string): JsonObject {
  const text = data.trim()
  if (text === '' || text === '[DONE]') return {}
  try {
    const value: unknown = JSON.parse(text)
    if (isJsonObject(value)) return value
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', 'The provider sent what is no valid JSON.', { cause })
  }
  throw new GatewayError('upstream_protocol_error', 'The provider sent what is no JSON object.')
}

function asObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {}
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function toArray(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function toNumber(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

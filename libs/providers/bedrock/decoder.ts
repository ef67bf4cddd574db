import { GatewayError, isJsonObject, type FinishReason, type Part, type Usage } from '#libs/core'
import { readException } from './read-error.ts'

type JsonObject = Record<string, unknown>

/** A block between its first event and its stop. */
type OpenBlock =
  | { type: 'text' }
  | { type: 'reasoning'; signature: string; redacted: string }
  | { type: 'tool-call'; hasArguments: boolean }

const reasons: ReadonlyMap<string, FinishReason['unified']> = new Map([
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['tool_use', 'tool_calls'],
  ['guardrail_intervened', 'content_filter'],
  ['content_filtered', 'content_filter'],
])

/** Turns ConverseStream events to parts. The finish waits for the usage, which comes behind the reason. */
export function createDecoder(): (event: { event: string | undefined; data: string }) => Part[] {
  const blocks = createBlocks()
  let reason: FinishReason | undefined

  return ({ event = '', data }) => {
    const exception = readException(event, data)
    if (exception !== undefined) throw exception
    const body = parsePayload(data)
    const index = Number(body.contentBlockIndex)
    switch (event) {
      case 'messageStart':
        return [{ type: 'start' }]
      case 'contentBlockStart':
        return blocks.start(index, asObject(body.start))
      case 'contentBlockDelta':
        return blocks.delta(index, asObject(body.delta))
      case 'contentBlockStop':
        return blocks.stop(index)
      case 'messageStop': {
        const raw = String(body.stopReason)
        reason = { unified: reasons.get(raw) ?? 'other', raw }
        return []
      }
      case 'metadata':
        return reason === undefined ? [] : [{ type: 'finish', reason, usage: toUsage(asObject(body.usage)) }]
      default:
        return []
    }
  }
}

/** The blocks of one answer. Only a tool call has a start: what the others are is told by their first delta. */
function createBlocks() {
  const blocks = new Map<number, OpenBlock>()

  function open(index: number, block: OpenBlock, start: Part): Part[] {
    if (blocks.has(index)) return []
    blocks.set(index, block)
    return [start]
  }

  function reason(index: number, { text, signature, redactedContent }: JsonObject): Part[] {
    const empty: OpenBlock = { type: 'reasoning', signature: '', redacted: '' }
    const started = open(index, empty, { type: 'reasoning-start' })
    const block = blocks.get(index)
    if (block?.type !== 'reasoning') return started
    if (typeof signature === 'string') block.signature += signature
    if (typeof redactedContent === 'string') block.redacted += redactedContent
    return typeof text === 'string' && text !== '' ? [...started, { type: 'reasoning-delta', text }] : started
  }

  return {
    start(index: number, { toolUse }: JsonObject): Part[] {
      if (!isJsonObject(toolUse)) return []
      const { toolUseId: id, name } = toolUse
      const start: Part = { type: 'tool-call-start', index, id: String(id), name: String(name) }
      return open(index, { type: 'tool-call', hasArguments: false }, start)
    },

    delta(index: number, delta: JsonObject): Part[] {
      if (typeof delta.text === 'string') {
        const started = open(index, { type: 'text' }, { type: 'text-start' })
        return delta.text === '' ? started : [...started, { type: 'text-delta', text: delta.text }]
      }
      if (isJsonObject(delta.reasoningContent)) return reason(index, delta.reasoningContent)
      if (isJsonObject(delta.citation)) return [{ type: 'citation', citation: delta.citation }]
      const block = blocks.get(index)
      const json = isJsonObject(delta.toolUse) ? delta.toolUse.input : undefined
      if (typeof json !== 'string' || json === '' || block?.type !== 'tool-call') return []
      block.hasArguments = true
      return [{ type: 'tool-call-delta', index, arguments: json }]
    },

    stop(index: number): Part[] {
      const block = blocks.get(index)
      blocks.delete(index)
      return block === undefined ? [] : stopBlock(block, index)
    },
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
          ...(block.redacted !== '' && { redacted: block.redacted }),
        },
      ]
    case 'tool-call': {
      const end: Part = { type: 'tool-call-end', index }
      // Clients of other dialects parse what they got, and nothing is no JSON.
      return block.hasArguments ? [end] : [{ type: 'tool-call-delta', index, arguments: '{}' }, end]
    }
  }
}

/** Bedrock's `inputTokens` are those outside the cache, ours are all of them. */
function toUsage(counts: JsonObject): Usage {
  const { inputTokens: input, outputTokens: output } = counts
  const { cacheReadInputTokens: read, cacheWriteInputTokens: written } = counts
  return {
    ...(typeof input === 'number' && { inputTokens: input + toNumber(read) + toNumber(written) }),
    ...(typeof output === 'number' && { outputTokens: output }),
    ...(typeof read === 'number' && { cacheReadTokens: read }),
    ...(typeof written === 'number' && { cacheWriteTokens: written }),
    ...countHours(counts.cacheDetails),
  }
}

/** The part of the cache that is written for an hour and not for minutes. */
function countHours(details: unknown): Pick<Usage, 'cacheWrite1hTokens'> {
  const hour = (Array.isArray(details) ? details : []).map(asObject).find(({ ttl }) => ttl === '1h')
  const cacheWrite1hTokens = toNumber(hour?.inputTokens)
  return cacheWrite1hTokens > 0 ? { cacheWrite1hTokens } : {}
}

function parsePayload(data: string): JsonObject {
  try {
    return asObject(JSON.parse(data))
  } catch (cause) {
    throw new GatewayError('upstream_protocol_error', 'The provider sent what is no valid JSON.', { cause })
  }
}

function asObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {}
}

function toNumber(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

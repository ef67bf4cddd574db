import { isJsonObject, type Usage } from '#libs/core'
import type { FrameContext } from '../dialect.ts'
import { parseProviderJson } from '../provider-json.ts'
import { emptyMessage } from './encoder.ts'
import { toWireUsage } from './words.ts'

type JsonObject = Record<string, unknown>

/** A block as it grows: what its deltas brought, until it is known to be whole. */
interface GrowingBlock {
  block: JsonObject
  json: string
}

/**
 * Puts the frames of a stream together, also of one that broke off: `stop_reason` is null then, and a tool's input
 * that is not whole stays text, as `partial_json`.
 */
export function collect(frames: readonly string[], context: FrameContext, usage?: Usage): string {
  const message = emptyMessage(context)
  const blocks = new Map<unknown, GrowingBlock>()
  let isCounted = false
  for (const frame of frames) {
    const event = parseProviderJson(frame)
    switch (event.type) {
      case 'message_start':
        Object.assign(message, asObject(event.message))
        break
      case 'content_block_start':
        blocks.set(event.index, { block: { ...asObject(event.content_block) }, json: '' })
        break
      case 'content_block_delta': {
        const growing = blocks.get(event.index)
        if (growing !== undefined) grow(growing, asObject(event.delta))
        break
      }
      case 'message_delta':
        Object.assign(message, asObject(event.delta))
        message.usage = { ...asObject(message.usage), ...withoutNulls(asObject(event.usage)) }
        isCounted = true
        break
    }
  }
  const counted = usage === undefined || isCounted ? message.usage : toWireUsage(usage)
  const content = [...blocks.values()].map(toBlock)
  return JSON.stringify({ ...message, id: context.rid, model: context.model, content, usage: counted })
}

/** What the end of a stream tells, and its start holds as null. */
const endFields = ['stop_reason', 'stop_sequence', 'stop_details', 'container']

/** A whole answer told as a stream. What is no text of the model's stands in its block's start. */
export function toFrames(answer: string, context: FrameContext): string[] {
  const { content, usage, ...message } = parseProviderJson(answer)
  const ends = Object.entries(message).filter(([name]) => endFields.includes(name))
  const start = {
    ...message,
    id: context.rid,
    model: context.model,
    content: [],
    ...Object.fromEntries(ends.map(([name]) => [name, null])),
    usage: { ...asObject(usage), output_tokens: 0 },
  }
  const frames: JsonObject[] = [{ type: 'message_start', message: start }]
  for (const [index, block] of asArray(content).entries()) {
    const { start: opening, deltas } = takeApart(asObject(block))
    frames.push({ type: 'content_block_start', index, content_block: opening })
    for (const delta of deltas) frames.push({ type: 'content_block_delta', index, delta })
    frames.push({ type: 'content_block_stop', index })
  }
  frames.push({ type: 'message_delta', delta: Object.fromEntries(ends), usage: asObject(usage) })
  frames.push({ type: 'message_stop' })
  return frames.map((frame) => JSON.stringify(frame))
}

function grow(growing: GrowingBlock, delta: JsonObject): void {
  const { block } = growing
  switch (delta.type) {
    case 'text_delta':
      block.text = asText(block.text) + asText(delta.text)
      break
    case 'thinking_delta':
      block.thinking = asText(block.thinking) + asText(delta.thinking)
      break
    case 'signature_delta':
      block.signature = asText(delta.signature)
      break
    case 'input_json_delta':
      growing.json += asText(delta.partial_json)
      break
    case 'citations_delta':
      block.citations = [...asArray(block.citations), delta.citation]
      break
  }
}

function toBlock({ block, json }: GrowingBlock): JsonObject {
  if (json === '') return block
  try {
    return { ...block, input: JSON.parse(json) as unknown }
  } catch {
    return { ...block, partial_json: json }
  }
}

function takeApart(block: JsonObject): { start: JsonObject; deltas: JsonObject[] } {
  const { text, thinking, signature, citations, input, ...rest } = block
  switch (block.type) {
    case 'text': {
      const hasCitations = Array.isArray(citations)
      return {
        start: {
          ...rest,
          text: '',
          ...('citations' in block && { citations: hasCitations ? [] : citations }),
        },
        deltas: [
          { type: 'text_delta', text },
          ...asArray(citations).map((citation) => ({ type: 'citations_delta', citation })),
        ],
      }
    }
    case 'thinking':
      return {
        start: { ...rest, thinking: '', signature: '' },
        deltas: [
          { type: 'thinking_delta', thinking },
          ...(typeof signature === 'string' ? [{ type: 'signature_delta', signature }] : []),
        ],
      }
    case 'tool_use':
    case 'server_tool_use':
      return {
        start: { ...block, input: {} },
        deltas: [{ type: 'input_json_delta', partial_json: JSON.stringify(input ?? {}) }],
      }
    default:
      return { start: block, deltas: [] }
  }
}

function withoutNulls(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null))
}

function asObject(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {}
}

function asArray(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

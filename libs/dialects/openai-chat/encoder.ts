import type { FinishReason, Part, Usage } from '#libs/core'
import type { FrameContext, FrameEncoder } from '../dialect.ts'
import { createChunkWriter, type WriteChunk } from './chunk.ts'
import { toWireFinishReason, toWireUsage } from './words.ts'

/**
 * Tells parts as chat chunks. What the dialect has no field for goes where others have put it already: reasoning
 * into `reasoning_content`, its signature into `reasoning_details`, a tool call's into `extra_content`, and
 * the provider's finish reason into `native_finish_reason`. `decodeRequest` reads them when they come back.
 */
export function createEncoder(context: FrameContext): FrameEncoder {
  const writeChunk = createChunkWriter(context)
  /** Clients want the indexes of tool calls to be 0, 1, 2…; the parts' may count other blocks too. */
  const toolIndexes = new Map<number, number>()
  let reasoning = ''
  let finish: FinishReason | undefined
  let usage: Usage | undefined

  function toDelta(part: Exclude<Part, { type: 'finish' }>): string | undefined {
    switch (part.type) {
      case 'start':
        return '{"role":"assistant","content":""}'
      case 'text-delta':
        return `{"content":${JSON.stringify(part.text)}}`
      case 'refusal-delta':
        return `{"refusal":${JSON.stringify(part.text)}}`
      case 'reasoning-start':
        reasoning = ''
        return undefined
      case 'reasoning-delta':
        reasoning += part.text
        return `{"reasoning_content":${JSON.stringify(part.text)}}`
      case 'reasoning-end':
        return toReasoningDetails(part, reasoning)
      case 'tool-call-start':
        toolIndexes.set(part.index, toolIndexes.size)
        return toToolCallStart(part, toolIndexes.size - 1)
      case 'tool-call-delta': {
        const index = toolIndexes.get(part.index) ?? part.index
        return `{"tool_calls":[{"index":${index},"function":{"arguments":${JSON.stringify(part.arguments)}}}]}`
      }
      case 'citation':
        return `{"annotations":[${JSON.stringify(part.citation)}]}`
      case 'text-start':
      case 'text-end':
      case 'tool-call-end':
        return undefined
    }
  }

  return {
    encode(part, seq) {
      if (part.type === 'finish') {
        finish = part.reason
        usage = part.usage
        return toFinishFrames(part, seq, context, writeChunk)
      }
      const delta = toDelta(part)
      if (delta === undefined) return []
      const hasLogprobs = part.type === 'text-delta' && part.logprobs !== undefined
      const logprobs = hasLogprobs ? `,"logprobs":${JSON.stringify(part.logprobs)}` : ''
      return [writeChunk(seq, `[{"index":0,"delta":${delta}${logprobs},"finish_reason":null}]`)]
    },
    get observation() {
      return { finish, usage }
    },
  }
}

function toFinishFrames(
  part: Extract<Part, { type: 'finish' }>,
  seq: number,
  context: FrameContext,
  writeChunk: WriteChunk,
): string[] {
  const reason = JSON.stringify(toWireFinishReason(part.reason))
  const raw = part.reason.raw === null ? '' : `,"native_finish_reason":${JSON.stringify(part.reason.raw)}`
  const frames = [writeChunk(seq, `[{"index":0,"delta":{},"finish_reason":${reason}${raw}}]`)]
  if (context.includeUsage && part.usage !== undefined) {
    frames.push(writeChunk(seq + 1, '[]', `,"usage":${JSON.stringify(toWireUsage(part.usage))}}`))
  }
  return frames
}

function toToolCallStart(part: Extract<Part, { type: 'tool-call-start' }>, index: number): string {
  return JSON.stringify({
    tool_calls: [
      {
        index,
        id: part.id,
        type: 'function',
        function: { name: part.name, arguments: '' },
        ...(part.signature !== undefined && {
          extra_content: { google: { thought_signature: part.signature } },
        }),
      },
    ],
  })
}

function toReasoningDetails(
  part: Extract<Part, { type: 'reasoning-end' }>,
  text: string,
): string | undefined {
  const details = []
  if (part.signature !== undefined) {
    details.push({ type: 'reasoning.text', text, signature: part.signature })
  }
  if (part.redacted !== undefined) details.push({ type: 'reasoning.encrypted', data: part.redacted })
  return details.length === 0 ? undefined : JSON.stringify({ reasoning_details: details })
}

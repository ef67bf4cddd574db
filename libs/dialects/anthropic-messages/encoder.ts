import type { FinishReason, Part, Usage } from '#libs/core'
import type { FrameContext, FrameEncoder } from '../dialect.ts'
import { toWireFinish, toWireUsage } from './words.ts'

/**
 * Tells parts as Messages events. Blocks open with their first content, since Anthropic refuses an empty text when
 * it comes back with the next turn. What the dialect has no field for is an extra one: a tool call's signature is its
 * block's `signature`, which `decodeRequest` reads when it comes back.
 */
export function createEncoder(context: FrameContext): FrameEncoder {
  const blocks = createBlocks()
  let isStarted = false
  let finish: FinishReason | undefined
  let usage: Usage | undefined

  function encodeContent(part: Exclude<Part, { type: 'start' | 'finish' }>): string[] {
    switch (part.type) {
      case 'text-delta':
      case 'refusal-delta':
        return part.text === '' ? [] : blocks.say('text', { type: 'text_delta', text: part.text })
      case 'citation':
        return blocks.say('text', { type: 'citations_delta', citation: part.citation })
      case 'reasoning-delta':
        return part.text === '' ? [] : blocks.say('thinking', { type: 'thinking_delta', thinking: part.text })
      case 'reasoning-end':
        return blocks.endThinking(part)
      case 'tool-call-start':
        return blocks.openTool(part)
      case 'tool-call-delta':
        return blocks.sayInput(part)
      case 'tool-call-end':
        return blocks.closeTool(part.index)
      case 'text-start':
      case 'text-end':
      case 'reasoning-start':
        return blocks.close()
    }
  }

  return {
    encode(part) {
      const frames: string[] = []
      if (!isStarted) frames.push(JSON.stringify({ type: 'message_start', message: emptyMessage(context) }))
      isStarted = true
      if (part.type === 'finish') {
        finish = part.reason
        usage = part.usage
        frames.push(...blocks.close(), ...blocks.closeTools())
        frames.push(
          JSON.stringify({ type: 'message_delta', delta: toWireFinish(finish), usage: toWireUsage(usage) }),
        )
        frames.push('{"type":"message_stop"}')
      } else if (part.type !== 'start') frames.push(...encodeContent(part))
      return frames
    },
    get observation() {
      return { finish, usage }
    },
  }
}

/** A message of which nothing is known yet. The counts come with its end. */
export function emptyMessage({ rid, model }: Pick<FrameContext, 'rid' | 'model'>): Record<string, unknown> {
  return {
    id: rid,
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 0, output_tokens: 0 },
  }
}

const emptyBlocks = {
  text: { type: 'text', text: '' },
  thinking: { type: 'thinking', thinking: '', signature: '' },
} as const

/** Numbers the blocks. One of text or thinking is open at a time; tool calls may be open beside each other. */
function createBlocks() {
  let count = 0
  let open: { index: number; type: 'text' | 'thinking' } | undefined
  const tools = new Map<number, number>()

  function begin(block: object): string {
    return JSON.stringify({ type: 'content_block_start', index: count++, content_block: block })
  }

  function close(): string[] {
    if (open === undefined) return []
    const { index } = open
    open = undefined
    return [stop(index)]
  }

  function closeTools(): string[] {
    const frames = [...tools.values()].map(stop)
    tools.clear()
    return frames
  }

  function say(type: 'text' | 'thinking', delta: object): string[] {
    const frames = open?.type === type ? [] : close()
    if (open === undefined) {
      open = { index: count, type }
      frames.push(begin(emptyBlocks[type]))
    }
    frames.push(tell(open.index, delta))
    return frames
  }

  return {
    say,
    close,
    closeTools,
    endThinking({ signature, redacted }: Extract<Part, { type: 'reasoning-end' }>): string[] {
      const frames = signature === undefined ? [] : say('thinking', { type: 'signature_delta', signature })
      frames.push(...close())
      if (redacted === undefined) return frames
      return [...frames, begin({ type: 'redacted_thinking', data: redacted }), stop(count - 1)]
    },
    openTool({ index, id, name, signature }: Extract<Part, { type: 'tool-call-start' }>): string[] {
      const frames = close()
      tools.set(index, count)
      const block = { type: 'tool_use', id, name, input: {}, ...(signature !== undefined && { signature }) }
      return [...frames, begin(block)]
    },
    sayInput({ index, arguments: json }: Extract<Part, { type: 'tool-call-delta' }>): string[] {
      const block = tools.get(index)
      return block === undefined ? [] : [tell(block, { type: 'input_json_delta', partial_json: json })]
    },
    closeTool(index: number): string[] {
      const block = tools.get(index)
      tools.delete(index)
      return block === undefined ? [] : [stop(block)]
    },
  }
}

function tell(index: number, delta: object): string {
  return JSON.stringify({ type: 'content_block_delta', index, delta })
}

function stop(index: number): string {
  return `{"type":"content_block_stop","index":${index}}`
}

import { isJsonObject, type FinishReason, type Part, type Usage } from '#libs/core'
import type { FrameContext, FrameEncoder } from '../dialect.ts'
import { createContent, toAnswer, type BlockEvent } from './answer.ts'

type Content = Exclude<Part, { type: 'start' | 'finish' }>

/** Tells parts as events about blocks, and at the end the whole answer. */
export function createEncoder(context: FrameContext): FrameEncoder {
  const blocks = createBlocks()
  const content = createContent()
  let finish: FinishReason | undefined
  let usage: Usage | undefined

  function tell(event: BlockEvent): string {
    content.add(event)
    return JSON.stringify(event)
  }

  return {
    encode(part) {
      if (part.type === 'start') return []
      if (part.type !== 'finish') return toEvents(part, blocks).map(tell)
      finish = part.reason
      usage = part.usage
      return [...blocks.endCalls().map(tell), toAnswer(context, content.blocks, { finish, usage })]
    },
    get observation() {
      return { finish, usage }
    },
  }
}

function toEvents(part: Content, blocks: ReturnType<typeof createBlocks>): BlockEvent[] {
  switch (part.type) {
    case 'text-delta':
      return part.text === '' ? [] : [{ ...blocks.open('text'), delta: part.text }]
    case 'refusal-delta':
      return part.text === '' ? [] : [{ ...blocks.open('refusal'), delta: part.text }]
    case 'reasoning-delta':
      return part.text === '' ? [] : [{ ...blocks.open('thinking'), delta: part.text }]
    case 'citation':
      return [{ ...blocks.open('text'), citation: part.citation }]
    case 'reasoning-end': {
      const { type: _type, ...seal } = part
      const events = Object.keys(seal).length === 0 ? [] : [{ ...blocks.open('thinking'), ...seal }]
      blocks.close()
      return events
    }
    case 'tool-call-start':
      return [blocks.startCall(part)]
    case 'tool-call-delta':
      return blocks.addArguments(part)
    case 'tool-call-end':
      return blocks.endCall(part.index)
    case 'text-start':
    case 'text-end':
    case 'reasoning-start':
      blocks.close()
      return []
  }
}

type OpenCall = Extract<Part, { type: 'tool-call-start' }> & { text: string; block: number }

/** Numbers the blocks in the order in which they begin. Tool calls may be open beside each other. */
function createBlocks() {
  const calls = new Map<number, OpenCall>()
  let count = 0
  let current: { type: BlockEvent['type']; index: number } | undefined

  function endCall(index: number): BlockEvent[] {
    const call = calls.get(index)
    if (call === undefined) return []
    calls.delete(index)
    const { id, name, text, signature, block } = call
    const signed = signature === undefined ? {} : { signature }
    return [{ type: 'tool_call', index: block, id, name, arguments: readArguments(text), ...signed }]
  }

  return {
    endCall,
    endCalls: () => [...calls.keys()].flatMap(endCall),
    /** The open block of this type, or a new one. */
    open(type: BlockEvent['type']): { type: BlockEvent['type']; index: number } {
      if (current?.type !== type) current = { type, index: count++ }
      return current
    },
    close(): void {
      current = undefined
    },
    startCall(part: Extract<Part, { type: 'tool-call-start' }>): BlockEvent {
      current = undefined
      const block = count++
      calls.set(part.index, { ...part, text: '', block })
      return { type: 'tool_call', index: block, id: part.id, name: part.name }
    },
    addArguments({ index, arguments: delta }: Extract<Part, { type: 'tool-call-delta' }>): BlockEvent[] {
      const call = calls.get(index)
      if (call === undefined) return []
      call.text += delta
      return [{ type: 'tool_call', index: call.block, delta }]
    },
  }
}

/** The text itself where a model wrote what is no JSON object. */
function readArguments(text: string): unknown {
  if (text.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : text
  } catch {
    return text
  }
}

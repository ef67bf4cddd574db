import type { RunId } from '#libs/core'
import type { EventWriter } from './event-writer.ts'
import {
  openMessage,
  openReasoning,
  openToolCall,
  type ItemPlace,
  type OpenItem,
  type OpenMessage,
  type OpenReasoning,
  type OpenToolCall,
} from './output-items.ts'

type JsonObject = Record<string, unknown>

/**
 * The items of a response while they are told, in the order in which they were opened, whatever the order in which
 * they end. A message stays open when its text ends, since a citation, a refusal or another text may still belong
 * to it; whatever else comes next closes it. Tool calls may be open side by side.
 */
export interface Output {
  /** The open message, or a new one. */
  message(events: EventWriter): OpenMessage
  /** The message only if it is open. */
  readonly openMessage: OpenMessage | undefined
  /** The open reasoning, or a new one. */
  reasoning(events: EventWriter): OpenReasoning
  /** Closes the message or the reasoning that is open. */
  closeBlock(events: EventWriter): void
  startCall(events: EventWriter, call: { index: number; id: string; name: string; signature?: string }): void
  call(index: number): OpenToolCall | undefined
  closeCall(events: EventWriter, index: number): void
  /** Closes what is open; gives all items. */
  end(events: EventWriter, status: 'completed' | 'incomplete'): JsonObject[]
}

export function createOutput(rid: RunId): Output {
  const items = createItems(rid)
  const calls = new Map<number, OpenToolCall>()
  let message: OpenMessage | undefined
  let reasoning: OpenReasoning | undefined

  function closeBlock(events: EventWriter): void {
    items.close(events, reasoning)
    items.close(events, message)
    reasoning = undefined
    message = undefined
  }

  return {
    message(events) {
      if (message !== undefined) return message
      closeBlock(events)
      return (message = items.open('msg', (place) => openMessage(events, place)))
    },
    get openMessage() {
      return message
    },
    reasoning(events) {
      if (reasoning !== undefined) return reasoning
      closeBlock(events)
      return (reasoning = items.open('rs', (place) => openReasoning(events, place)))
    },
    closeBlock,
    startCall(events, call) {
      closeBlock(events)
      calls.set(
        call.index,
        items.open('fc', (place) => openToolCall(events, place, call)),
      )
    },
    call: (index) => calls.get(index),
    closeCall: (events, index) => items.close(events, calls.get(index)),
    end: (events, status) => items.end(events, status),
  }
}

function createItems(rid: RunId) {
  const open = new Map<OpenItem, number>()
  const told: JsonObject[] = []
  let count = 0

  function close(
    events: EventWriter,
    item: OpenItem | undefined,
    status: 'completed' | 'incomplete' = 'completed',
  ): void {
    const index = item === undefined ? undefined : open.get(item)
    if (item === undefined || index === undefined) return
    open.delete(item)
    told[index] = item.close(events, status)
  }

  return {
    close,
    open<Item extends OpenItem>(prefix: string, openItem: (place: ItemPlace) => Item): Item {
      const index = count++
      const digits = index.toString(16).padStart(4, '0')
      const item = openItem({ item_id: `${prefix}_${rid.slice(-32)}${digits}`, output_index: index })
      open.set(item, index)
      return item
    },
    end(events: EventWriter, status: 'completed' | 'incomplete'): JsonObject[] {
      for (const item of open.keys()) close(events, item, status)
      return told
    },
  }
}

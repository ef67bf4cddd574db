/** Cuts a stream of server-sent events where one ends, and counts the events. */
export interface EventCounter {
  /** The number of the last whole event, from 0 on; -1 before the first. */
  readonly last: number
  /** Whether an event was seen that ends every stream of its dialect. */
  readonly isComplete: boolean
  /** Gives as much of what came as is whole events, in bytes; the rest waits for the next call. */
  push(chunk: Uint8Array): Uint8Array
  /** Forgets the event that was cut off: whoever goes on sends it again. */
  dropRest(): void
}

const lineFeed = 10
const carriageReturn = 13
/** The last event of OpenAI's chats and Responses, and of Anthropic's messages. Google's streams just end. */
const lastEvents = /^data: ?\[DONE\]$|^event: ?message_stop$/m
const numberedId = /^id: ?[\w-]+:(\d+)$/m
const decoder = new TextDecoder()

/**
 * Every event with data is one frame of the run, numbered without a gap, so that counting them tells the cursor;
 * where events have an `id:`, that is believed. `[DONE]` is no frame.
 */
export function createEventCounter(after: number): EventCounter {
  let last = after
  let isComplete = false
  let rest: Uint8Array = new Uint8Array()

  function count(event: string): void {
    if (lastEvents.test(event)) isComplete = true
    const id = numberedId.exec(event)?.[1]
    if (id !== undefined) last = Number(id)
    else if (/^data:/m.test(event) && !/^data: ?\[DONE\]$/m.test(event)) last += 1
  }

  return {
    get last() {
      return last
    },
    get isComplete() {
      return isComplete
    },
    push(chunk) {
      const bytes = rest.length === 0 ? chunk : concat(rest, chunk)
      const end = lastBlankLine(bytes)
      rest = bytes.slice(end)
      const whole = bytes.subarray(0, end)
      for (const event of decoder.decode(whole).split(/\r?\n\r?\n/)) count(event)
      return whole
    },
    dropRest() {
      rest = new Uint8Array()
    },
  }
}

/** Where the last whole event ends, behind its blank line; 0 if there is none. */
function lastBlankLine(bytes: Uint8Array): number {
  for (let at = bytes.length - 1; at > 0; at--) {
    if (bytes[at] !== lineFeed) continue
    const before = bytes[at - 1] === carriageReturn ? at - 2 : at - 1
    if (bytes[before] === lineFeed) return at + 1
  }
  return 0
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length)
  both.set(left)
  both.set(right, left.length)
  return both
}

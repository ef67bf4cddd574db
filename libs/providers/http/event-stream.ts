import { EventStreamCodec } from '@smithy/core/event-streams'
import { SseError, type SseDecoder, type SseEvent } from '#libs/sse'

const lengthBytes = 4
/** Lengths, checksums, and nothing between them. */
const leastBytes = 16

/**
 * Decodes AWS's binary event stream (`application/vnd.amazon.eventstream`) to the events that it would be as SSE:
 * named by their type, exceptions by theirs, with the payload as data. Each message's checksums are verified.
 */
export function createEventStreamDecoder({ maxEventBytes }: { maxEventBytes: number }): SseDecoder {
  const codec = new EventStreamCodec(
    (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString()),
    (text) => Buffer.from(text),
  )
  let pending = Buffer.alloc(0)

  function takeMessage(): Buffer | undefined {
    if (pending.length < lengthBytes) return undefined
    const length = pending.readUInt32BE(0)
    if (length < leastBytes) throw new SseError('The stream is no AWS event stream.')
    if (length > maxEventBytes)
      throw new SseError(`An event of the stream is larger than ${maxEventBytes} bytes.`)
    if (pending.length < length) return undefined
    const message = pending.subarray(0, length)
    pending = pending.subarray(length)
    return message
  }

  function decode(message: Buffer): SseEvent {
    try {
      const { headers, body } = codec.decode(message)
      const read = (name: string): string | undefined => {
        const value = headers[name]?.value
        return typeof value === 'string' ? value : undefined
      }
      const data = Buffer.from(body).toString()
      if (read(':message-type') !== 'error') {
        return { event: read(':event-type') ?? read(':exception-type'), data }
      }
      return {
        event: 'error',
        data: JSON.stringify({ message: read(':error-message') ?? read(':error-code') }),
      }
    } catch (cause) {
      throw new SseError('An event of the stream is damaged.', { cause })
    }
  }

  return {
    push(bytes) {
      pending = pending.length === 0 ? Buffer.from(bytes) : Buffer.concat([pending, bytes])
      const events: SseEvent[] = []
      for (let message = takeMessage(); message !== undefined; message = takeMessage())
        events.push(decode(message))
      return events
    },
    // What is left is cut off: its checksum is not there yet.
    end: () => [],
  }
}

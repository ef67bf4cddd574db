import { createParser } from 'eventsource-parser'

/** One event as it was sent; lines of data are joined by line breaks. */
export interface SseEvent {
  /** `undefined` where the stream named none, which is what the standard calls `message`. */
  event: string | undefined
  data: string
}

/** Turns the bytes of one stream to events. */
export interface SseDecoder {
  /** The events that these bytes complete, in order. Slices may end anywhere, inside a character too. */
  push(bytes: Uint8Array): SseEvent[]
  /**
   * Call it once, at the end of the stream. Gives the last event if its blank line is missing, as vendors' own
   * SDKs do: a cut-off event then shows as broken data rather than as nothing.
   */
  end(): SseEvent[]
}

/** The bytes are no event stream that can be read: not UTF-8, or an event that never ends. */
export class SseError extends Error {
  override readonly name = 'SseError'
}

const defaultMaxEventBytes = 1024 * 1024

/**
 * Decodes one event stream. The cap is counted in UTF-16 units, so text outside ASCII may take up to three
 * times as many bytes. After an {@link SseError} the decoder is of no more use.
 */
export function createSseDecoder({ maxEventBytes = defaultMaxEventBytes } = {}): SseDecoder {
  // The parser takes off the BOM; two that do so would swallow a second one that belongs to the text.
  const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let events: SseEvent[] = []
  let isTooLarge = false

  const parser = createParser({
    maxBufferSize: maxEventBytes,
    onEvent({ event, data }) {
      // The parser's own cap looks only at what waits between two feeds, not at an event that came in one.
      if (data.length > maxEventBytes) isTooLarge = true
      else events.push({ event, data })
    },
    onError(error) {
      // The other errors are unknown fields and odd `retry` values, which the standard says to ignore.
      if (error.type === 'max-buffer-size-exceeded') isTooLarge = true
    },
  })

  function feed(text: string): SseEvent[] {
    if (text !== '') parser.feed(text)
    if (isTooLarge) throw new SseError(`An event of the stream is larger than ${maxEventBytes} bytes.`)
    const complete = events
    events = []
    return complete
  }

  function decode(bytes?: Uint8Array): string {
    try {
      return textDecoder.decode(bytes, { stream: bytes !== undefined })
    } catch (error) {
      throw new SseError('The stream is not UTF-8 text.', { cause: error })
    }
  }

  return {
    push: (bytes) => feed(decode(bytes)),
    end: () => feed(`${decode()}\n\n`),
  }
}

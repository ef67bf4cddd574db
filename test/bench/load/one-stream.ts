import { connect } from 'node:net'

import { createEventReader } from './event-reader.ts'
import type { Integrity, StreamDialect } from './messages.ts'
import { compareWords, type Reference } from './reference.ts'

export interface OneStream {
  firstTokenMs(): number | undefined
  tokens(): number
  /** Ends it where it is. */
  cut(): void
}

export type StreamEnd =
  | { outcome: 'whole' }
  | { outcome: 'damaged'; damage: Omit<Integrity, 'whole'> }
  | { outcome: 'failed'; reason: string }

/** What is looked for in an event, without parsing it: its number, `offset` behind a mark; its piece of text; the end of all. */
const marks: Readonly<
  Record<StreamDialect, { number: string; offset: number; content: string; end: string }>
> = {
  'openai-chat': { number: '"sequence_number":', offset: 0, content: '"content":"', end: 'data: [DONE]' },
  // The 32 digits of the run and a colon are before the number.
  'anthropic-messages': {
    number: '\nid: msg_',
    offset: 33,
    content: '_delta","text":"',
    end: '"type":"message_stop"',
  },
}

/** Opens one stream and compares every token with what was to come, as it comes. `onEnd` is called once. */
export function openStream(options: {
  port: number
  request: string
  dialect: StreamDialect
  reference: Reference
  onGap: (gapMs: number) => void
  onEnd: (end: StreamEnd) => void
}): OneStream {
  const { port, request, reference, onGap, onEnd } = options
  const mark = marks[options.dialect]
  const startedMs = performance.now()
  let firstTokenMs: number | undefined
  let lastArrivalMs = 0
  let position = 0
  let lastSequence = -1
  let ended = false
  /** Words from the first wrong one on. */
  let strayWords: string[] | undefined

  const reader = createEventReader(readEvent)
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.write(request)
  socket.on('data', (bytes) => {
    const before = position
    reader.feed(bytes)
    if (position > before) noteArrival()
  })
  socket.on('error', (error) => end({ outcome: 'failed', reason: error.message }))
  socket.on('close', () =>
    end({
      outcome: 'failed',
      reason: `closed after HTTP ${reader.status()} and ${position} characters: ${reader.rest().slice(0, 200)}`,
    }),
  )

  function noteArrival(): void {
    const nowMs = performance.now()
    if (firstTokenMs === undefined) firstTokenMs = nowMs - startedMs
    else onGap(nowMs - lastArrivalMs)
    lastArrivalMs = nowMs
  }

  function readEvent(text: string, start: number, until: number): void {
    const numberAt = text.indexOf(mark.number, start)
    if (numberAt !== -1 && numberAt < until) {
      readSequence(Number.parseInt(text.slice(numberAt + mark.number.length + mark.offset, until), 10))
    }
    const contentAt = text.indexOf(mark.content, start)
    if (contentAt !== -1 && contentAt < until) {
      const from = contentAt + mark.content.length
      readContent(text.slice(from, text.indexOf('"', from)))
      return
    }
    const event = text.slice(start, until)
    if (event.includes(mark.end)) finish()
    else if (event.includes('"error":{')) end({ outcome: 'failed', reason: event.slice(0, 300) })
  }

  function readSequence(sequence: number): void {
    // A frame without content may be lost unseen by the text; the numbers show it.
    if (sequence !== lastSequence + 1) strayWords ??= []
    lastSequence = sequence
  }

  function readContent(content: string): void {
    if (strayWords === undefined && reference.text.startsWith(content, position)) position += content.length
    else if (content !== '') (strayWords ??= []).push(content)
  }

  function finish(): void {
    const expected = reference.words.slice(reference.tokensUntil[position])
    const damage = compareWords(expected, strayWords ?? [])
    const whole = strayWords === undefined && position === reference.text.length
    end(whole ? { outcome: 'whole' } : { outcome: 'damaged', damage })
  }

  function end(how: StreamEnd): void {
    if (ended) return
    ended = true
    socket.destroy()
    onEnd(how)
  }

  return {
    firstTokenMs: () => firstTokenMs,
    tokens: () => (reference.tokensUntil[position] ?? 0) + (strayWords?.length ?? 0),
    cut: () => end({ outcome: 'failed', reason: `still open at the deadline, after ${position} characters` }),
  }
}

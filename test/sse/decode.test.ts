import { describe, expect, it } from 'vitest'
import { createSseDecoder, type SseEvent, SseError } from '#libs/sse'

const message = (data: string, event?: string): SseEvent => ({ event, data })

/** Each stream with the events that it must give however it is cut. */
const corpus: [name: string, stream: string, events: SseEvent[]][] = [
  ['LF', 'data: a\n\ndata: b\n\n', [message('a'), message('b')]],
  ['CRLF', 'event: x\r\ndata: a\r\n\r\ndata: b\r\n\r\n', [message('a', 'x'), message('b')]],
  ['CR', 'event: x\rdata: a\r\rdata: b\r\r', [message('a', 'x'), message('b')]],
  ['mixed line ends', 'data: a\r\n\ndata: b\r\r\ndata: c\n\r\n', [message('a'), message('b'), message('c')]],
  ['BOM', '\uFEFFdata: a\n\n', [message('a')]],
  ['BOM inside', 'data: \uFEFFa\n\n', [message('\uFEFFa')]],
  ['two BOMs', '\uFEFF\uFEFFdata: a\n\ndata: b\n\n', [message('b')]],
  ['many-byte characters', 'data: é漢👩‍👩‍👧\n\ndata: 🏳️‍🌈\r\n\r\n', [message('é漢👩‍👩‍👧'), message('🏳️‍🌈')]],
  ['comments', ': ping\n\n:\ndata: a\n: between\n\n: end\n\n', [message('a')]],
  ['several data lines', 'data: a\ndata:\ndata: b\n\n', [message('a\n\nb')]],
  ['no space', 'event:x\ndata:a\n\ndata:  b\n\n', [message('a', 'x'), message(' b')]],
  ['empty data', 'data:\n\ndata\n\ndata: \n\n', [message(''), message(''), message('')]],
  ['no data', 'event: ping\n\nid: 3\n\n\n\ndata: a\n\n', [message('a')]],
  ['other fields', 'id: 1\nretry: 10\nretry: soon\nfoo: bar\ndata: a\n\n', [message('a')]],
  ['no blank line at the end', 'data: a\n\ndata: [DONE]', [message('a'), message('[DONE]')]],
  ['one line end at the end', 'data: a\n\ndata: [DONE]\r\n', [message('a'), message('[DONE]')]],
  ['nothing', '', []],
]

function decode(slices: Uint8Array[]): SseEvent[] {
  const decoder = createSseDecoder()
  return [...slices.flatMap((slice) => decoder.push(slice)), ...decoder.end()]
}

describe('an SSE decoder', () => {
  it.each(corpus)('reads %s the same at every cut', (_, stream, events) => {
    const bytes = new TextEncoder().encode(stream)
    expect(decode([bytes])).toEqual(events)
    expect(decode(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(events)
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const slices = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]
        expect(decode(slices), `cut at ${first} and ${second}`).toEqual(events)
      }
    }
  })

  it('gives an event as soon as its blank line is there', () => {
    const decoder = createSseDecoder()
    expect(decoder.push(Buffer.from('data: a\n'))).toEqual([])
    expect(decoder.push(Buffer.from('\ndata: b'))).toEqual([message('a')])
    expect(decoder.end()).toEqual([message('b')])
  })

  it('takes an event up to the cap and refuses one above it, in one slice or in many', () => {
    const fitting = Buffer.from(`data:${'x'.repeat(90)}\n\n`)
    const tooLarge = Buffer.from(`data:${'x'.repeat(200)}\n\n`)
    const lines = Buffer.from('data:xxxxxxxxx\n'.repeat(20))
    const unended = Buffer.from(`event:${'x'.repeat(200)}`)
    expect(createSseDecoder({ maxEventBytes: 100 }).push(fitting)).toHaveLength(1)
    for (const bytes of [tooLarge, lines, unended]) {
      const whole = createSseDecoder({ maxEventBytes: 100 })
      expect(() => whole.push(bytes)).toThrow(SseError)
      const sliced = createSseDecoder({ maxEventBytes: 100 })
      expect(() => bytes.forEach((byte) => sliced.push(Uint8Array.of(byte)))).toThrow(/larger than 100 bytes/)
    }
  })

  it('does not keep what can be no field, however long', () => {
    const decoder = createSseDecoder({ maxEventBytes: 100 })
    for (let i = 0; i < 50; i++) expect(decoder.push(Buffer.from('<html>'.repeat(100)))).toEqual([])
    expect(decoder.push(Buffer.from('\ndata: a\n\n'))).toEqual([message('a')])
  })

  it('refuses what is not UTF-8', () => {
    expect(() => createSseDecoder().push(Uint8Array.of(0x64, 0xff, 0xfe))).toThrow(SseError)
    const cut = createSseDecoder()
    cut.push(Buffer.from('data: é').subarray(0, -1))
    expect(() => cut.end()).toThrow(/not UTF-8/)
  })
})

import { describe, expect, test } from 'vitest'
import { providerSpecs } from '#libs/providers'
import { createSseDecoder, type SseEvent } from '#libs/sse'
import { readAnswerFile, readFixtures } from './cases.ts'

const streams = providerSpecs.flatMap(({ type }) =>
  [...new Set(readFixtures(type)?.cases.map(({ answer }) => answer))]
    .filter((file) => file.endsWith('.sse'))
    .map((file) => ({ type, file })),
)

function decode(...slices: Uint8Array[]): SseEvent[] {
  const decoder = createSseDecoder()
  return [...slices.flatMap((slice) => decoder.push(slice)), ...decoder.end()]
}

describe.each(streams)('the stream $type/$file', ({ type, file }) => {
  const bytes = readAnswerFile(type, file)
  const events = decode(bytes)

  test('has the same events wherever the network cuts it in two', () => {
    expect(events.length).toBeGreaterThan(1)
    for (let at = 1; at < bytes.length; at++) {
      const cut = decode(bytes.subarray(0, at), bytes.subarray(at))
      if (JSON.stringify(cut) !== JSON.stringify(events)) expect(cut, `cut at ${at}`).toEqual(events)
    }
  })

  test('has the same events byte by byte, with CRLF and CR for line ends, and behind a BOM', () => {
    const text = bytes.toString()
    for (const variant of [text.replaceAll('\n', '\r\n'), text.replaceAll('\n', '\r'), `\uFEFF${text}`]) {
      const encoded = Buffer.from(variant)
      expect(decode(encoded)).toEqual(events)
      expect(decode(...Array.from(encoded, (byte) => Uint8Array.of(byte)))).toEqual(events)
    }
  })
})

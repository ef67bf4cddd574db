import { describe, expect, test } from 'vitest'
import { SseError } from '#libs/sse'
import { createEventStreamDecoder } from '../../libs/providers/http/event-stream.ts'
import { readAnswerFile } from './conformance/cases.ts'

const bytes = readAnswerFile('bedrock', 'tool-call.jsonl')

function decode(...slices: Uint8Array[]) {
  const decoder = createEventStreamDecoder({ maxEventBytes: 10_000 })
  return [...slices.flatMap((slice) => decoder.push(slice)), ...decoder.end()]
}

describe("AWS's binary event stream", () => {
  const events = decode(bytes)

  test('has the same events wherever the network cuts it', () => {
    expect(events.at(0)).toEqual({ event: 'messageStart', data: '{"role":"assistant"}' })
    expect(events).toHaveLength(10)
    for (let at = 1; at < bytes.length; at++) {
      const cut = decode(bytes.subarray(0, at), bytes.subarray(at))
      if (JSON.stringify(cut) !== JSON.stringify(events)) expect(cut, `cut at ${at}`).toEqual(events)
    }
    expect(decode(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(events)
  })

  test('gives the events that are whole when it breaks off', () => {
    expect(decode(bytes.subarray(0, -1))).toEqual(events.slice(0, -1))
  })

  test('is refused where a byte is not what was sent, where it is none, and where an event is too large', () => {
    for (const at of [5, 20, 60]) {
      const damaged = Buffer.from(bytes)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      expect(() => decode(damaged), `byte ${at}`).toThrow(SseError)
    }
    expect(() => decode(Buffer.alloc(16))).toThrow('no AWS event stream')
    expect(() => decode(Buffer.from('data: {"x":1}\n\n'))).toThrow('larger than 10000 bytes')
  })
})

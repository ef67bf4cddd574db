import { expect, it } from 'vitest'
import { createSseDecoder, sseComment, sseEvent } from '#libs/sse'

it('writes the fields that are given, the id last', () => {
  expect(sseEvent({ data: '{}' })).toBe('data: {}\n\n')
  expect(sseEvent({ id: '1-4', data: '{}' })).toBe('data: {}\nid: 1-4\n\n')
  expect(sseEvent({ id: '1-4', event: 'ping', data: '{}' })).toBe('event: ping\ndata: {}\nid: 1-4\n\n')
})

it('writes what the decoder reads back, and comments that it skips', () => {
  const decoder = createSseDecoder()
  const stream =
    sseComment('queued') + sseEvent({ id: '7', event: 'x', data: ' a ' }) + sseEvent({ data: '' })
  expect(decoder.push(Buffer.from(stream))).toEqual([
    { event: 'x', data: ' a ' },
    { event: undefined, data: '' },
  ])
})

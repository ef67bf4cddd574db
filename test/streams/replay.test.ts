import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { framesAfter, isEnd, replay, type LogEntry, type Reader } from '#libs/streams'

/** Three entries: frames 0 and 1, frame 2, and frame 3 with the end. */
const log: LogEntry[] = [
  { epoch: 1, seq: 1, count: 2, meta: '', payload: 'a\nb' },
  { epoch: 1, seq: 2, count: 1, meta: '', payload: 'c' },
  { epoch: 1, seq: 3, count: 1, meta: 'e{}', payload: 'd' },
]

function read(room: () => boolean = () => true) {
  const told: string[] = []
  const reader: Reader = {
    take(entry, seq) {
      told.push(...framesAfter(entry, seq), ...(isEnd(entry) ? ['end'] : []))
      return room()
    },
    ended: () => void told.push('ended'),
    lost: () => void told.push('lost'),
  }
  return { told, reader }
}

describe('a log that is at hand', () => {
  test.each([
    [-1, ['a', 'b', 'c', 'd', 'end']],
    [0, ['b', 'c', 'd', 'end']],
    [2, ['d', 'end']],
    [7, ['end']],
  ])('is told behind frame %i, and not before its reader has hold of it', async (after, frames) => {
    const { told, reader } = read()
    replay(log, after, reader)
    expect(told).toEqual([])
    await turn()
    expect(told).toEqual(frames)
  })

  test('waits while its reader is full', async () => {
    const { told, reader } = read(() => false)
    const following = replay(log, -1, reader)
    await turn()
    expect(told).toEqual(['a', 'b'])
    following.resume()
    expect(told).toEqual(['a', 'b', 'c'])
    following.resume()
    following.resume()
    expect(told).toEqual(['a', 'b', 'c', 'd', 'end'])
  })

  test('tells no more once its reader has left, and tells one that has no end so', async () => {
    const leaving = read()
    const following = replay(log, -1, {
      ...leaving.reader,
      take(entry, seq) {
        following.stop()
        return leaving.reader.take(entry, seq)
      },
    })
    await turn()
    following.resume()
    expect(leaving.told).toEqual(['a', 'b'])
    const { told, reader } = read()
    replay(log.slice(0, 2), -1, reader)
    await turn()
    expect(told).toEqual(['a', 'b', 'c', 'ended'])
  })
})

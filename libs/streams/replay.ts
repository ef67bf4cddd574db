import type { Reader } from './follower.ts'
import { isEnd, type LogEntry } from './log-entry.ts'
import type { Following } from './readers.ts'

/**
 * Hands a log that is at hand to a reader, as if it were followed behind frame `seq`: in order, and no more while
 * the reader is full. Nothing is taken before the caller has what this returns.
 */
export function replay(entries: Iterable<LogEntry>, seq: number, reader: Reader): Following {
  const left = entries[Symbol.iterator]()
  let state: 'taking' | 'full' | 'done' = 'taking'
  let at = seq

  function finish(tell?: () => void): void {
    state = 'done'
    left.return?.()
    tell?.()
  }

  function handOver(): void {
    while (state === 'taking') {
      const { value: entry, done } = left.next()
      if (done === true) return finish(() => reader.ended())
      if (entry.seq <= at && !isEnd(entry)) continue
      const hasRoom = reader.take(entry, at)
      at = Math.max(at, entry.seq)
      if (isEnd(entry)) finish()
      else if (!hasRoom && state === 'taking') state = 'full'
    }
  }

  setImmediate(handOver)
  return {
    resume() {
      if (state !== 'full') return
      state = 'taking'
      handOver()
    },
    stop: finish,
  }
}

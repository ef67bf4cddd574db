import type { RawAnswer } from './exchange.ts'

const mostWaitingBytes = 1024 * 1024

/** A body as it comes. The connection waits for a reader that is slower; one that leaves closes it. */
export async function* readPieces(answer: RawAnswer): AsyncGenerator<Buffer> {
  const pieces: Buffer[] = []
  let waitingBytes = 0
  let isOver = false
  let news = Promise.withResolvers<void>()
  const reading = answer
    .read((chunk) => {
      pieces.push(chunk)
      waitingBytes += chunk.length
      if (waitingBytes > mostWaitingBytes) answer.pause(true)
      news.resolve()
    })
    .finally(() => {
      isOver = true
      news.resolve()
    })
  // It is awaited below, once all that came before its failure was handed on.
  reading.catch(() => undefined)
  try {
    for (;;) {
      const taken = pieces.splice(0)
      waitingBytes = 0
      answer.pause(false)
      yield* taken
      if (pieces.length > 0) continue
      if (isOver) return await reading
      await news.promise
      news = Promise.withResolvers<void>()
    }
  } finally {
    answer.stop()
  }
}

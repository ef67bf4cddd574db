import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Called with the bytes that have passed by. */
export type NotePassed = (bytes: number) => void

const collectEveryBytes = 4 * 1024 * 1024

type Collect = (options: { type: 'minor' }) => void
let collect: Collect | undefined

/**
 * For bodies that pass through in pieces: has the pieces that were dropped taken away every few megabytes, which takes
 * about a millisecond. Their bytes lie outside of the heap, which itself hardly grows by them, so that V8 would let a
 * hundred megabytes pile up before it looks.
 */
export function keepMemoryFlat(): NotePassed {
  let passed = 0
  return (bytes) => {
    passed += bytes
    if (passed < collectEveryBytes) return
    passed = 0
    collect ??= findCollector()
    collect({ type: 'minor' })
  }
}

/** Node shows it only to those who ask on the command line, or like this. */
function findCollector(): Collect {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as Collect
}

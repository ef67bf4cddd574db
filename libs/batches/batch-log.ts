import { readObject, type ObjectStore } from '#libs/storage'
import type { BatchEntry } from './batch.ts'
import type { BatchKey, BatchStore, NumberedEntry } from './batch-store.ts'

/*
 * An entry is one object: a line of JSON, then the results for the output, then those for the errors, a line each.
 * Keys are numbered with eight digits, so that a list of them is in order and its last is the log's end.
 */

const firstReadBytes = 16_384

/** The logs of batches, as objects that are written once. */
export type BatchLog = Pick<BatchStore, 'lastEntry' | 'append' | 'readResults'> & {
  clear(key: BatchKey): Promise<void>
}

export function createBatchLog(objects: ObjectStore): BatchLog {
  const keyOf = (key: BatchKey, number: number): string =>
    `${prefixOf(key)}${String(number).padStart(8, '0')}`

  async function* readResults(
    key: BatchKey,
    last: number,
    which: 'output' | 'errors',
  ): AsyncGenerator<Buffer> {
    for (let number = 1; number <= last; number += 1) {
      const object = keyOf(key, number)
      const found = await readHead(objects, object)
      if (found === undefined) throw new Error(`${object} is missing; the batch's results can't be had.`)
      const { entry, length } = found
      const start = length + (which === 'output' ? 0 : entry.outputBytes)
      const end = start + (which === 'output' ? entry.outputBytes : entry.errorBytes)
      if (end > start) yield* readObject(objects, object, { start, end })
    }
  }

  async function lastEntry(key: BatchKey): Promise<NumberedEntry | undefined> {
    const last = (await objects.list(prefixOf(key))).at(-1)
    if (last === undefined) return undefined
    const found = await readHead(objects, last)
    return found && { number: Number(last.slice(-8)), entry: found.entry }
  }

  return {
    lastEntry,
    readResults,
    async append(key, { number, entry }, results) {
      const body = Buffer.from(`${JSON.stringify(entry)}\n${results.join('')}`)
      const stored = await objects.put(keyOf(key, number), body, { onlyIfAbsent: true })
      if (stored === 'stored') return 'written'
      // A write whose answer was lost is tried again, and then finds itself.
      const found = await readHead(objects, keyOf(key, number))
      return found?.entry.holder === entry.holder ? 'written' : 'taken'
    },
    async clear(key) {
      for (const object of await objects.list(prefixOf(key))) await objects.delete(object)
    },
  }
}

function prefixOf({ tenant, id }: BatchKey): string {
  return `batches/${tenant}/logs/${id}/`
}

async function readHead(
  objects: ObjectStore,
  object: string,
): Promise<{ entry: BatchEntry; length: number } | undefined> {
  for (let length = firstReadBytes; ; length *= 8) {
    const head = await objects.get(object, { start: 0, end: length })
    if (head === undefined) return undefined
    const end = head.indexOf('\n')
    if (end !== -1) return { entry: JSON.parse(head.toString('utf8', 0, end)) as BatchEntry, length: end + 1 }
    if (head.length < length) throw new Error(`${object} is cut short; restore or remove it.`)
  }
}

import type { CatalogPage, CatalogQuery } from '#libs/files'
import type { Batch, BatchEntry, BatchSpec, BatchState } from './batch.ts'

/** One batch's place in the store. */
export type BatchKey = Pick<BatchSpec, 'id' | 'tenant'>

/** An entry of a batch's log, and where it stands. */
export interface NumberedEntry {
  /** Counted from 1. */
  number: number
  entry: BatchEntry
}

/**
 * The batches of all tenants. The object store is the truth: records, and a log for each batch that has not ended.
 * Redis tells who holds a batch, and how far it is at the moment.
 */
export interface BatchStore {
  /** Writes the batch down; from then on somebody will take it. */
  create(spec: BatchSpec, state: BatchState): Promise<void>
  get(tenant: string, id: string): Promise<Batch | undefined>
  list(tenant: string, query: Omit<CatalogQuery<Batch>, 'keep'>): Promise<CatalogPage<Batch>>
  /** Its holder is told within a second. The first time counts. */
  cancel(key: BatchKey): Promise<void>
  /** Removes the record and the log of a batch that has ended. Its files are its caller's to delete. */
  delete(key: BatchKey): Promise<void>

  /** Gives batches that nobody holds, oldest first, to the holder of this name for `leaseMs`. */
  take(holder: string, limit: number): Promise<BatchKey[]>
  /** Holds on to a batch for another `leaseMs` and tells how far it is; `lost` if somebody else has it. */
  hold(key: BatchKey, holder: string, state: BatchState): Promise<{ cancelAtMs: number | undefined } | 'lost'>
  /** Lets somebody else have it. */
  release(key: BatchKey, holder: string): Promise<void>
  /** After the last entry: keeps the end in the record, and clears the log away. */
  close(spec: BatchSpec, holder: string, state: BatchState): Promise<void>
  /** Nobody is to take it any more, because there is no such batch. */
  forget(key: BatchKey): Promise<void>
  /** Finds batches that Redis has forgotten, so that somebody takes them. */
  reopen(): Promise<void>

  /** The end of the log; `undefined` if nothing was written yet. */
  lastEntry(key: BatchKey): Promise<NumberedEntry | undefined>
  /** Adds an entry with its results; `taken` if its number is another holder's. May be repeated until it answers. */
  append(key: BatchKey, entry: NumberedEntry, results: readonly string[]): Promise<'written' | 'taken'>
  /** The results of entries 1 to `last`, piece by piece. */
  readResults(key: BatchKey, last: number, which: 'output' | 'errors'): AsyncGenerator<Buffer>
}

/** A holder that was not heard of for so long has lost what it held. */
export const leaseMs = 10_000

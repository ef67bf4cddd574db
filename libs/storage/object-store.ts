import { createHash } from 'node:crypto'
import { keepMemoryFlat } from '#libs/core'

/**
 * Named bytes that outlive the gateway's processes: a bucket or a directory.
 *
 * A key is a path of segments of `A-Z a-z 0-9 . _ -`, never `.` or `..`; any other key is a TypeError before
 * anything is touched. An object is whole or absent, whatever is cut off while it is written. Failures of the
 * store itself are {@link StorageError}s.
 */
export interface ObjectStore {
  /**
   * Durable when it resolves. With `onlyIfAbsent` a taken key is left as it is and answers `exists`; since a
   * write whose answer was lost is tried again, `exists` may also mean that this very call stored it.
   */
  put(key: string, body: Uint8Array, options?: { onlyIfAbsent?: boolean }): Promise<'stored' | 'exists'>
  /**
   * The same for a body of any length, of which only a few megabytes are in memory at a time. What `body` throws is
   * thrown on, and nothing is stored then.
   */
  upload(key: string, body: AsyncIterable<Uint8Array>): Promise<void>
  /** The object's bytes, or those of them that lie in `range`; `undefined` if there is no such object. */
  get(key: string, range?: ByteRange): Promise<Buffer | undefined>
  /** Keys that start with `prefix` and come after `startAfter`, ascending by their bytes. */
  list(prefix: string, options?: { startAfter?: string; limit?: number }): Promise<string[]>
  /** Resolves also when there is no such object. */
  delete(key: string): Promise<void>
  close(): Promise<void>
}

/** Bytes from `start` up to and without `end`, which may lie beyond the object. */
export interface ByteRange {
  start: number
  end: number
}

const readAtOnceBytes = 2 * 1024 * 1024

/**
 * An object's bytes piece by piece, each fetched when it is asked for: whoever reads slowly keeps no connection open.
 * Ends early if the object is deleted meanwhile; `range` may go beyond its end.
 */
export async function* readObject(
  store: Pick<ObjectStore, 'get'>,
  key: string,
  range: ByteRange,
): AsyncGenerator<Buffer> {
  const notePassed = keepMemoryFlat()
  for (let start = range.start; start < range.end; start += readAtOnceBytes) {
    const end = Math.min(start + readAtOnceBytes, range.end)
    const piece = await store.get(key, { start, end })
    if (piece === undefined || piece.length === 0) return
    yield piece
    notePassed(piece.length)
    if (piece.length < end - start) return
  }
}

/** Uploads a body and tells what it was: its size, and its SHA-256 in hexadecimal. Throws as `upload` does. */
export async function uploadMeasured(
  store: Pick<ObjectStore, 'upload'>,
  key: string,
  body: AsyncIterable<Uint8Array>,
): Promise<{ bytes: number; sha256: string }> {
  const digest = createHash('sha256')
  let bytes = 0
  const measured = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of body) {
      digest.update(piece)
      bytes += piece.length
      yield piece
    }
  }
  await store.upload(key, measured())
  return { bytes, sha256: digest.digest('hex') }
}

/** The store failed or refused. The message tells which store, what was tried and what to do; it holds no secret. */
export class StorageError extends Error {
  /** The store's own word for it, such as `SlowDown` or `ENOSPC`. */
  readonly reason: string

  constructor(message: string, reason: string) {
    super(message)
    this.name = 'StorageError'
    this.reason = reason
  }
}

const segment = String.raw`(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+`
const keyPattern = new RegExp(String.raw`^${segment}(?:/${segment})*$`)
const prefixPattern = new RegExp(String.raw`^(?:${segment}/)*[A-Za-z0-9._-]*$`)

/** Every store calls this first: what passes can't leave the store's directory or prefix. */
export function checkKey(key: string): void {
  if (!keyPattern.test(key)) throw new TypeError(`${JSON.stringify(key)} is not an object key.`)
}

/** The same for the start of a key, which may be empty or end in the middle of a segment. */
export function checkPrefix(prefix: string): void {
  if (!prefixPattern.test(prefix)) throw new TypeError(`${JSON.stringify(prefix)} can't start an object key.`)
}

/** A range must hold at least one byte, because S3 has no word for an empty one. */
export function checkRange({ start, end }: ByteRange): void {
  const valid = Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start < end
  if (!valid) throw new TypeError(`Bytes ${start} to ${end} are not a range.`)
}

import type { RunId } from '#libs/core'
import { readObject, uploadMeasured, type ByteRange, type ObjectStore } from '#libs/storage'

/** What runs have made that is too large for a record: files of their own in the object store, below `media/`. */
export interface RunMedia {
  /** Stores bytes of any length; a name that is taken is written again. */
  store(
    run: { rid: RunId; tenant: string },
    name: string,
    body: AsyncIterable<Uint8Array>,
  ): Promise<{ bytes: number; sha256: string }>
  read(run: { rid: RunId; tenant: string }, name: string, range: ByteRange): AsyncGenerator<Buffer>
  /** Deletes all of them. */
  erase(rid: RunId, tenant: string): Promise<void>
}

/** The store stays its owner's. */
export function createRunMedia(objects: ObjectStore): RunMedia {
  const folderOf = (rid: RunId, tenant: string): string => `media/${tenant}/${rid}/`
  return {
    store: ({ rid, tenant }, name, body) => uploadMeasured(objects, folderOf(rid, tenant) + name, body),
    read: ({ rid, tenant }, name, range) => readObject(objects, folderOf(rid, tenant) + name, range),
    async erase(rid, tenant) {
      for (const key of await objects.list(folderOf(rid, tenant))) await objects.delete(key)
    },
  }
}

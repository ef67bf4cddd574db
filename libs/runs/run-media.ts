import { createHash } from 'node:crypto'
import type { RunId } from '#libs/core'
import { readObject, type ByteRange, type ObjectStore } from '#libs/storage'

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
    async store({ rid, tenant }, name, body) {
      const digest = createHash('sha256')
      let bytes = 0
      const measured = async function* (): AsyncGenerator<Uint8Array> {
        for await (const piece of body) {
          digest.update(piece)
          bytes += piece.length
          yield piece
        }
      }
      await objects.upload(folderOf(rid, tenant) + name, measured())
      return { bytes, sha256: digest.digest('hex') }
    },
    read: ({ rid, tenant }, name, range) => readObject(objects, folderOf(rid, tenant) + name, range),
    async erase(rid, tenant) {
      for (const key of await objects.list(folderOf(rid, tenant))) await objects.delete(key)
    },
  }
}

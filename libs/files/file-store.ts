import { createResourceId, isResourceId } from '#libs/core'
import { keys, type Redis } from '#libs/redis'
import { readObject, uploadMeasured, type ByteRange, type ObjectStore } from '#libs/storage'
import { createCatalog, type CatalogPage, type CatalogQuery } from './catalog.ts'

/** What is known of a file; its bytes never change. */
export interface FileRecord {
  id: string
  filename: string
  purpose: string
  bytes: number
  /** Of the bytes, in hexadecimal digits. */
  sha256: string
  createdAtMs: number
  expiresAtMs?: number
}

/** A file's bytes in the store, before it has a record and so can be found. */
export type StoredBytes = Pick<FileRecord, 'id' | 'bytes' | 'sha256'>

/** The files of all tenants. An id that is none, another tenant's, or expired is as one that never was. */
export interface FileStore {
  /**
   * Stores bytes of any length under a new id, or under one that is given. The caller goes on with `register` or
   * `discard`.
   */
  store(tenant: string, body: AsyncIterable<Uint8Array>, id?: string): Promise<StoredBytes>
  discard(tenant: string, id: string): Promise<void>
  /** From here on the file is there. */
  register(tenant: string, record: FileRecord): Promise<void>
  get(tenant: string, id: string): Promise<FileRecord | undefined>
  list(tenant: string, query: CatalogQuery<FileRecord>): Promise<CatalogPage<FileRecord>>
  /** Its bytes, piece by piece; fewer of them if it is deleted meanwhile. */
  read(tenant: string, id: string, range: ByteRange): AsyncGenerator<Buffer>
  /** Resolves also when there is no such file. */
  delete(tenant: string, id: string): Promise<void>
  /** Deletes files whose time has come. */
  sweep(): Promise<void>
}

const mostPerSweep = 100

/** Files in the object store below `files/`; the connections stay their owner's. */
export function createFileStore(objects: ObjectStore, redis: Redis): FileStore {
  const catalog = createCatalog<FileRecord>({ objects, redis, folder: 'files', cacheKey: keys.filesOf })
  const contentOf = (tenant: string, id: string): string => `files/${tenant}/contents/${id}`

  async function remove(tenant: string, id: string): Promise<void> {
    await catalog.delete(tenant, id)
    await objects.delete(contentOf(tenant, id))
    await redis.zrem(keys.expiring, `${tenant}/${id}`)
  }

  async function expect({ id, expiresAtMs }: FileRecord, tenant: string): Promise<void> {
    if (expiresAtMs !== undefined) await redis.zadd(keys.expiring, expiresAtMs, `${tenant}/${id}`)
  }

  return {
    async store(tenant, body, id = createResourceId('file-')) {
      return { id, ...(await uploadMeasured(objects, contentOf(tenant, id), body)) }
    },
    discard: (tenant, id) => objects.delete(contentOf(tenant, id)),
    async register(tenant, record) {
      await expect(record, tenant)
      await catalog.put(tenant, record.id, record)
    },
    async get(tenant, id) {
      if (!isResourceId('file-', id)) return undefined
      const record = await catalog.get(tenant, id)
      return record === undefined || isExpired(record) ? undefined : record
    },
    async list(tenant, query) {
      const keep = (record: FileRecord): boolean => !isExpired(record) && query.keep?.(record) !== false
      const page = await catalog.list(tenant, { ...query, keep })
      // A Redis that lost its memory of them learns again what there is to sweep.
      for (const record of page.items) await expect(record, tenant)
      return page
    },
    read: (tenant, id, range) => readObject(objects, contentOf(tenant, id), range),
    delete: remove,
    async sweep() {
      const due = await redis.zrange(
        keys.expiring,
        '-inf',
        String(Date.now()),
        'BYSCORE',
        'LIMIT',
        0,
        mostPerSweep,
      )
      for (const member of due) {
        const [tenant = '', id = ''] = member.split('/')
        await remove(tenant, id)
      }
    },
  }
}

function isExpired({ expiresAtMs }: FileRecord): boolean {
  return expiresAtMs !== undefined && expiresAtMs <= Date.now()
}

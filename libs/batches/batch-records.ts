import { createCatalog } from '#libs/files'
import { keys, type Redis } from '#libs/redis'
import type { ObjectStore } from '#libs/storage'
import { memberOf, toKey, toTime } from './batch-holds.ts'
import type { BatchLog } from './batch-log.ts'
import type { BatchKey, BatchStore } from './batch-store.ts'
import { initialState, type Batch, type BatchSpec, type BatchState } from './batch.ts'

/** What the catalog keeps of a batch; the state only of one that has ended. */
interface BatchRecord {
  spec: BatchSpec
  state?: BatchState
  cancelAtMs?: number
}

/** The batches themselves, and those of them that are open. */
export type BatchRecords = Pick<BatchStore, 'create' | 'get' | 'list' | 'cancel' | 'delete' | 'reopen'> & {
  /** Keeps the end of a batch. */
  keepEnd(spec: BatchSpec, state: BatchState): Promise<void>
  /** What only served to carry the batch goes. */
  tidy(key: BatchKey): Promise<void>
}

const openFolder = 'open-batches'

export function createBatchRecords(objects: ObjectStore, redis: Redis, log: BatchLog): BatchRecords {
  const cacheKey = keys.batchesOf
  const catalog = createCatalog<BatchRecord>({ objects, redis, folder: 'batches', cacheKey })
  const toBatch = async ({ spec, state, cancelAtMs }: BatchRecord): Promise<Batch> =>
    state === undefined ? readOpen({ objects, redis, log }, spec) : { spec, state, cancelAtMs }

  /** Last goes what leads here, should this be cut short. */
  async function tidy(key: BatchKey): Promise<void> {
    await log.clear(key)
    await objects.delete(cancelKeyOf(key))
    await objects.delete(openKeyOf(key))
  }

  return {
    tidy,
    async create(spec, state) {
      await catalog.put(spec.tenant, spec.id, { spec })
      try {
        await open(redis, spec, state)
      } catch (error) {
        // It is told to have failed, so nobody may come to it later.
        await catalog.delete(spec.tenant, spec.id).catch(() => undefined)
        throw error
      }
      // This only serves to find it again should Redis lose it, and the batch is under way: no reason to refuse it.
      await objects.put(openKeyOf(spec), Buffer.from('')).catch(() => undefined)
    },
    async get(tenant, id) {
      const record = await catalog.get(tenant, id)
      return record && toBatch(record)
    },
    async list(tenant, query) {
      const page = await catalog.list(tenant, query)
      return { hasMore: page.hasMore, items: await Promise.all(page.items.map(toBatch)) }
    },
    async cancel(key) {
      const nowMs = Date.now()
      await objects.put(cancelKeyOf(key), Buffer.from(String(nowMs)), { onlyIfAbsent: true })
      await redis.hsetnx(keys.batch(key.id), 'cancel', nowMs)
    },
    async delete(key) {
      await catalog.delete(key.tenant, key.id)
      await tidy(key)
      await redis.del(keys.batch(key.id))
    },
    async keepEnd(spec, state) {
      const { cancelAtMs } = await readOpen({ objects, redis, log }, spec)
      const end = { spec, state, ...(cancelAtMs !== undefined && { cancelAtMs }) }
      await catalog.put(spec.tenant, spec.id, end)
    },
    async reopen() {
      for (const object of await objects.list(`${openFolder}/`)) {
        const key = toKey(object.slice(openFolder.length + 1))
        const record = await catalog.get(key.tenant, key.id)
        if (record !== undefined && record.state === undefined) await toBatch(record)
        else await tidy(key)
      }
    },
  }
}

async function open(redis: Redis, key: BatchKey, state: BatchState, cancelAtMs?: number): Promise<void> {
  await redis.hsetnx(keys.batch(key.id), 'state', JSON.stringify(state))
  if (cancelAtMs !== undefined) await redis.hset(keys.batch(key.id), 'cancel', cancelAtMs)
  await redis.zadd(keys.openBatches, 'NX', 0, memberOf(key))
}

/** A batch that goes on: as Redis tells it, or, if that has forgotten it, as its log does. */
async function readOpen(
  { objects, redis, log }: { objects: ObjectStore; redis: Redis; log: BatchLog },
  spec: BatchSpec,
): Promise<Batch> {
  const [state, cancel] = await redis.hmget(keys.batch(spec.id), 'state', 'cancel')
  if (state != null) return { spec, state: JSON.parse(state) as BatchState, cancelAtMs: toTime(cancel) }
  const [last, cancelled] = await Promise.all([log.lastEntry(spec), objects.get(cancelKeyOf(spec))])
  const cancelAtMs = toTime(cancelled?.toString())
  const known = last?.entry.state ?? initialState()
  await open(redis, spec, known, cancelAtMs)
  return { spec, state: known, cancelAtMs }
}

function openKeyOf(key: BatchKey): string {
  return `${openFolder}/${memberOf(key)}`
}

function cancelKeyOf({ tenant, id }: BatchKey): string {
  return `batches/${tenant}/cancels/${id}`
}

import type { Redis } from '#libs/redis'
import type { ObjectStore } from '#libs/storage'
import { createBatchHolds } from './batch-holds.ts'
import { createBatchLog } from './batch-log.ts'
import { createBatchRecords } from './batch-records.ts'
import type { BatchStore } from './batch-store.ts'
import { hasEnded } from './batch.ts'

/** The batches of this object store and this Redis, which stay their owner's. */
export function createRedisBatchStore(objects: ObjectStore, redis: Redis): BatchStore {
  const log = createBatchLog(objects)
  const records = createBatchRecords(objects, redis, log)
  const holds = createBatchHolds(redis)
  return {
    ...log,
    ...records,
    ...holds,
    async close(spec, holder, state) {
      if (!hasEnded(state)) throw new TypeError(`Batch ${spec.id} has not ended.`)
      await records.keepEnd(spec, state)
      await holds.end(spec, holder, state)
      await records.tidy(spec)
    },
  }
}

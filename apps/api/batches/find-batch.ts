import type { Batch } from '#libs/batches'
import { isResourceId, type ResourceKind } from '#libs/core'
import type { ApiDeps } from '../deps.ts'
import { batchNotFound } from './batch-object.ts'

/** Finds this tenant's batch. Throws `batch_not_found`, also for one of another tenant or another vendor's words. */
export async function findBatch(
  deps: ApiDeps,
  kind: ResourceKind,
  tenant: string,
  id: string,
): Promise<Batch> {
  const batch = isResourceId(kind, id) ? await deps.batches.get(tenant, id) : undefined
  if (batch === undefined) throw batchNotFound(id)
  return batch
}

/** The client's headers that go on with each request of a batch. */
export function pickForwarded(
  headers: Readonly<Record<string, unknown>>,
  names: readonly string[],
): Record<string, string> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name]
      return typeof value === 'string' ? [[name, value]] : []
    }),
  )
}

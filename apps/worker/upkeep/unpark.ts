import { setTimeout as sleep } from 'node:timers/promises'
import { GatewayError } from '#libs/core'
import type { RunSpec } from '#libs/runs'
import type { WorkerDeps } from '../deps.ts'

/** A job that is on its way to be parked can't be hurried yet; the sweeper comes for one that took longer. */
const tryAgainAfterMs = [0, 20, 100]
const mostAtOnce = 200

/**
 * Has the jobs of parked runs done for which there is a place, after a run of a tenant with a limit has ended or was
 * given back. Nobody need wait for it.
 */
export function unparkNext(deps: WorkerDeps, { provider, tenant, maxRunning }: RunSpec): void {
  if (maxRunning === undefined) return
  unparkSoon(deps, provider, tenant).catch((error: unknown) => {
    deps.logger.warn({ err: GatewayError.from(error), tenant }, 'parked runs could not be looked for')
  })
}

/** The same for all tenants: their limits may have changed, or a worker has died before it could. */
export async function unparkAll(deps: WorkerDeps): Promise<void> {
  for (const provider of deps.queues.keys()) {
    for (const tenant of await deps.store.parkedTenants(provider)) await unpark(deps, provider, tenant)
  }
}

async function unparkSoon(deps: WorkerDeps, provider: string, tenant: string): Promise<void> {
  for (const waitMs of tryAgainAfterMs) {
    if (waitMs > 0) await sleep(waitMs)
    if (await unpark(deps, provider, tenant)) return
  }
}

/** Whether all that may run now are on their way. */
async function unpark(
  { store, shareOf, queues }: WorkerDeps,
  provider: string,
  tenant: string,
): Promise<boolean> {
  const { maxRunning } = shareOf(tenant, provider)
  const limit = { limit: mostAtOnce, ...(maxRunning !== undefined && { maxRunning }) }
  const rids = await store.unparked(provider, tenant, limit)
  const queue = queues.get(provider)
  if (queue === undefined) return true
  const hurried = await Promise.all(rids.map((rid) => queue.hurry(rid)))
  return hurried.every(Boolean)
}

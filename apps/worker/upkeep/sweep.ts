import { randomUUID } from 'node:crypto'
import { GatewayError, type RunId } from '#libs/core'
import { lanePriority, silentWorkerMs } from '#libs/runs'
import type { WorkerDeps } from '../deps.ts'
import { promoteAged } from './aging.ts'
import { salvageRun } from './salvage.ts'
import { unparkAll } from './unpark.ts'

const intervalMs = 3_000
const mostPerSweep = 200
/** A run that waits longer than this should have a job; if it has none, its API process died in between. */
const enqueuedWithinMs = 10_000
/** A run that ended longer ago than this was not archived by the worker that ended it. */
const archivedWithinMs = 5_000

/**
 * Looks after what a dead process left behind: runs whose worker is silent are salvaged, accepted runs without a
 * job get one, ended runs that nobody archived are archived, deliveries without a task get one. And it moves on what
 * waits: runs that were parked and may run now, and those that have waited too long. Every worker sweeps; the scripts
 * behind it let two of them meet without harm.
 */
export function startSweeper(deps: WorkerDeps): { close(): Promise<void> } {
  let sweep: Promise<void> | undefined
  const timer = setInterval(() => {
    sweep ??= sweepOnce(deps)
      .catch((error: unknown) => deps.logger.warn({ err: GatewayError.from(error) }, 'sweep failed'))
      .finally(() => (sweep = undefined))
  }, intervalMs)
  return {
    async close() {
      clearInterval(timer)
      await sweep
    },
  }
}

async function sweepOnce(deps: WorkerDeps): Promise<void> {
  await salvageAbandoned(deps)
  await enqueueForgotten(deps)
  await unparkAll(deps)
  await promoteAged(deps)
  await deps.archiver.recover(await deps.store.unarchived(archivedWithinMs, mostPerSweep))
  await deps.webhooks.recover()
}

async function salvageAbandoned(deps: WorkerDeps): Promise<void> {
  for (const rid of await deps.store.abandoned(silentWorkerMs, mostPerSweep)) {
    try {
      await seeTo(deps, rid)
    } catch (error) {
      // The next one can perhaps be helped.
      deps.logger.warn({ err: GatewayError.from(error), rid }, 'a silent run could not be seen to')
    }
  }
}

async function seeTo(deps: WorkerDeps, rid: RunId): Promise<void> {
  const { store } = deps
  const run = await store.inspect(rid)
  // Evicted: what is left of it would be found by every sweep, before those that can be helped.
  if (run === undefined) return store.forget(rid)
  const claim = await store.claim(rid, run.spec.provider, randomUUID())
  if (claim.status === 'salvage') await salvageRun(deps, claim)
}

async function enqueueForgotten({ store, queues }: WorkerDeps): Promise<void> {
  for (const [provider, queue] of queues) {
    const waiting = await store.waitingLong(provider, enqueuedWithinMs, mostPerSweep)
    if (waiting.length === 0) continue
    for (const rid of await queue.missing(waiting)) {
      // One that cannot be read gets a job all the same: whoever takes it puts it among the dead letters.
      const run = await store.inspect(rid).catch(() => 'unreadable' as const)
      if (run === 'unreadable') await queue.add(rid, lanePriority.batch)
      else if (run?.state === 'accepted') await queue.add(rid, await store.priority(run.spec))
    }
  }
}

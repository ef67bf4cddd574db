import { randomUUID } from 'node:crypto'
import { GatewayError, type RunId } from '#libs/core'
import type { Progress } from '#libs/runs'
import type { WorkerDeps } from '../deps.ts'
import { outOfTime } from '../calls/last-error.ts'
import { endBehind, salvageRun } from './salvage.ts'

const intervalMs = 250
const mostPerLook = 200

/**
 * Ends runs that still wait at their deadline; those that are carried are their worker's to stop. Every worker looks,
 * and a claim decides which of them ends a run: it is theirs then, and nobody calls for it any more.
 */
export function startDeadlineWatch(deps: WorkerDeps): { close(): Promise<void> } {
  let look: Promise<void> | undefined
  const timer = setInterval(() => {
    look ??= endOverdue(deps)
      .catch((error: unknown) =>
        deps.logger.warn({ err: GatewayError.from(error) }, 'looking for deadlines failed'),
      )
      .finally(() => (look = undefined))
  }, intervalMs)
  return {
    async close() {
      clearInterval(timer)
      await look
    },
  }
}

async function endOverdue(deps: WorkerDeps): Promise<void> {
  const rids = await deps.store.overdue(mostPerLook)
  await Promise.all(
    rids.map((rid) =>
      endWaiting(deps, rid).catch((error: unknown) =>
        deps.logger.warn({ err: GatewayError.from(error), rid }, 'a run could not be ended at its deadline'),
      ),
    ),
  )
}

async function endWaiting(deps: WorkerDeps, rid: RunId): Promise<void> {
  const run = await deps.store.inspect(rid)
  if (run?.state !== 'accepted') return deps.store.unwatch(rid)
  const claim = await deps.store.claim(rid, run.spec.provider, randomUUID())
  if (claim.status === 'salvage') await salvageRun(deps, claim)
  if (claim.status !== 'run') return
  const { progress } = claim
  const mayBePaid = progress?.operation !== undefined
  await endBehind(deps, claim, { entries: [], error: toError(progress), mayBePaid })
}

function toError(progress: Progress | undefined): GatewayError {
  if (progress?.operation !== undefined) {
    return new GatewayError('deadline_exceeded', 'The provider was not done with the run by its deadline.')
  }
  return progress?.waitsSinceMs === undefined
    ? new GatewayError('deadline_exceeded', 'No worker was free for the run before its deadline.')
    : outOfTime(progress)
}

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunId } from '#libs/core'
import type { JobResult } from '#libs/jobs'
import { parkedJobMs } from '#libs/runs'
import { carryRun } from './carry-run.ts'
import type { WorkerDeps } from './deps.ts'
import type { WorkerProvider } from './calls/worker-provider.ts'
import { addJob } from './give-back.ts'
import { insist } from './insist.ts'
import { buryRun, salvageRun } from './upkeep/salvage.ts'
import { unparkNext } from './upkeep/unpark.ts'

/** How often a job whose run is in other hands looks whether it has ended. */
const heldPollMs = 1_000

const done: JobResult = { status: 'done' }

/**
 * What a job asks for is found out from its run. BullMQ may give a job twice: after a worker's death, but also
 * when Redis was away and the first worker goes on. In that case the second keeps its place in the queue's
 * concurrency until the run has ended, and takes over only when the first falls silent.
 */
export async function processJob(deps: WorkerDeps, provider: WorkerProvider, rid: RunId): Promise<JobResult> {
  const token = randomUUID()
  const onError = (error: unknown): void =>
    deps.logger.warn({ err: error, rid }, 'claim failed, will be repeated')
  for (;;) {
    const claim = await insist(() => deps.store.claim(rid, provider.config.name, token), onError)
    switch (claim.status) {
      case 'run':
        // What a provider or client did ends a run the usual way: this one can't be carried by anybody.
        return carryRun(deps, provider, claim)
          .catch(async (error: unknown) => {
            await buryRun(deps, claim, error)
            return done
          })
          .finally(() => unparkNext(deps, claim.spec))
      case 'moved':
        return moveJob(deps, rid)
      case 'salvage':
        if ((await salvageRun(deps, claim)) === 'retried') break
        unparkNext(deps, claim.spec)
        return done
      case 'parked':
        return { status: 'later', atMs: Date.now() + parkedJobMs }
      case 'held':
        // It is in good hands, and this worker is about to go.
        if (deps.held.isDraining) return done
        await sleep(heldPollMs)
        break
      case 'ended':
        return done
      case 'unreadable':
        deps.logger.error({ rid }, 'the record of a run cannot be read; it is a dead letter now')
        deps.metrics.deadLetters({ provider: provider.config.name }).inc()
        await deps.store.bury(rid)
        return done
      case 'unknown':
        deps.logger.warn({ rid }, 'a job names a run that is not there')
        return done
    }
  }
}

/** Whoever gave the run to another provider died, perhaps before it had a job there. */
async function moveJob(deps: WorkerDeps, rid: RunId): Promise<JobResult> {
  const run = await deps.store.inspect(rid)
  if (run?.state !== 'accepted') return done
  return { status: 'done', after: () => addJob(deps, run.spec) }
}

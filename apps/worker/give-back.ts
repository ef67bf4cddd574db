import type { JobResult } from '#libs/jobs'
import type { RunSpec } from '#libs/runs'
import type { WorkerDeps } from './deps.ts'
import { withTarget } from './calls/go-on.ts'
import { insist } from './insist.ts'
import type { Journey } from './calls/journey.ts'
import type { Elsewhere } from './calls/try-calls.ts'

/**
 * Gives the run back to the waiting, for another provider or for later, and tells what becomes of its job. After
 * `cancel` the run is still this worker's. If the process dies before the other job is there, the sweeper adds it.
 */
export async function giveBack(
  deps: WorkerDeps,
  { claim, progress, provider, writer }: Journey,
  { candidate, delayMs }: Elsewhere,
): Promise<JobResult | 'cancel'> {
  const spec = withTarget(claim.spec, candidate)
  const { rid, tenant } = spec
  const share = deps.shareOf(tenant, spec.provider)
  const onError = (error: unknown): void =>
    deps.logger.warn({ err: error, rid }, 'giving a run back failed, will be repeated')
  for (;;) {
    const { epoch } = claim
    const given = await insist(
      () => deps.store.requeue({ rid, epoch, spec, progress, delayMs, share }),
      onError,
    )
    if (given === 'cancel') return 'cancel'
    if (given === 'missing' && (await writer.repair()) === 'whole') continue
    // Whoever has it now sees to it.
    if (given !== 'requeued') return { status: 'done' }
    break
  }
  const reason = progress.operation !== undefined ? 'operation' : delayMs > 0 ? 'capacity' : 'failure'
  deps.metrics.requeues({ provider: provider.config.name, reason }).inc()
  if (spec.provider !== provider.config.name)
    return { status: 'done', after: () => addJob(deps, spec, delayMs) }
  // It is the first of its lane now, and its job may be from a time when the order had another beginning.
  await deps.queues.get(spec.provider)?.setPriority(rid, await deps.store.priority(spec))
  return { status: 'later', atMs: Date.now() + delayMs }
}

/** Asks the workers of the provider to carry a run that is among its waiting. */
export async function addJob({ queues, store }: WorkerDeps, spec: RunSpec, delayMs = 0): Promise<void> {
  await queues.get(spec.provider)?.add(spec.rid, await store.priority(spec), delayMs)
}

import { createShareOf } from '#config'
import { createRunId, GatewayError, type RunId } from '#libs/core'
import { findDialect, getStreamDialect, isStreamDialect } from '#libs/dialects'
import type { RunEnd, RunSpec } from '#libs/runs'
import type { FoundRun, Runs } from './open.ts'

/** Prints all that is known of a run, without what was asked and said. */
export async function showOne(runs: Runs, rid: RunId, { json }: { json: boolean }): Promise<number> {
  const found = await runs.find(rid)
  if (found === undefined) return refuse(`There is no run ${rid}.`)
  const { spec, ...run } = found.run
  const queue = runs.queues.get(spec.provider)
  const position = (await queue?.position(rid)) ?? (await runs.store.position(rid, spec.provider))
  const shown = { ...spec, ...run, ...(position !== undefined && { waitingBehind: position }) }
  if (json) console.log(JSON.stringify(shown, null, 2))
  else {
    for (const [name, value] of Object.entries(shown))
      console.log(`${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  }
  return 0
}

/**
 * A run that waits gets a job if it has none that will be done. One that failed is over, and its client knows it:
 * its request is sent once more as a run of its own.
 */
export async function retryOne(runs: Runs, rid: RunId, { json }: { json: boolean }): Promise<number> {
  const found = await runs.find(rid)
  if (found === undefined) return refuse(`There is no run ${rid}.`)
  const { spec, state, end } = found.run
  const queue = runs.queues.get(spec.provider)
  if (queue === undefined)
    return refuse(`Provider ${spec.provider} of run ${rid} is not configured any more.`)
  if (state === 'accepted') {
    const missing = await queue.missing([rid])
    if (missing.length > 0) await queue.add(rid, await runs.store.priority(spec))
    return tell(json, { rid, done: missing.length > 0 ? 'enqueued' : 'waits' })
  }
  if (end === null) return refuse(`Run ${rid} is running. Cancel it first, or wait for its end.`)
  if (end.outcome !== 'failed')
    return refuse(`Run ${rid} is ${end.outcome}; only what failed can be retried.`)
  const again = await sendAgain(runs, found)
  if (typeof again === 'string') return refuse(again)
  await queue.add(again.rid, await runs.store.priority(again))
  await runs.store.unearth(rid)
  return tell(json, { rid, done: 'sent again', as: again.rid })
}

async function sendAgain({ config, store }: Runs, { run, body }: FoundRun): Promise<RunSpec | string> {
  const { rid, dialect: name, provider } = run.spec
  const dialect = findDialect(name)
  if (dialect === undefined) return `Run ${rid} speaks ${name}, which this release does not know.`
  if (body === undefined) return `The request of run ${rid} is gone.`
  const spec: RunSpec = { ...run.spec, rid: createRunId(dialect.idPrefix), createdAtMs: Date.now() }
  const bufferSize = config.providers.find(({ name: known }) => known === provider)?.bufferSize ?? 0
  const share = createShareOf(config)(spec.tenant, provider)
  const accepted = await store.accept({ spec, body, homeChannel: '', bufferSize, share })
  return accepted.status === 'accepted'
    ? spec
    : `Provider ${provider} takes no more runs: ${accepted.status}.`
}

/** Ends a run that waits, and tells the worker of one that runs to stop. */
export async function cancelOne(runs: Runs, rid: RunId): Promise<number> {
  const found = await runs.find(rid)
  if (found === undefined) return refuse(`There is no run ${rid}.`)
  const { spec } = found.run
  const error = new GatewayError('cancelled', 'The run was cancelled by an operator.').toJSON()
  const frames = toFrames(found, error)
  const end: RunEnd = {
    outcome: 'cancelled',
    error,
    attempts: found.run.progress?.attempts ?? [],
    frames: frames.length,
    startedAtMs: found.run.progress?.startedAtMs ?? null,
    firstFrameAtMs: null,
    endedAtMs: Date.now(),
  }
  const done = found.run.end === null ? await runs.store.cancel(spec, end, frames) : 'ended'
  if (done === 'ended' || done === 'unknown') return refuse(`Run ${rid} has ended already.`)
  console.log(done === 'cancelled' ? `${rid} is cancelled.` : `The worker of ${rid} was told to stop.`)
  return 0
}

/** What the readers of a stream get that nobody has begun. */
function toFrames({ run: { spec }, body }: FoundRun, error: ReturnType<GatewayError['toJSON']>): string[] {
  const dialect = findDialect(spec.dialect)
  if (!spec.stream || dialect === undefined || !isStreamDialect(dialect)) return []
  const { rid, model, includeUsage } = spec
  const createdAt = Math.floor(spec.createdAtMs / 1000)
  const context = { rid, model, createdAt, includeUsage, ...(body !== undefined && { request: body }) }
  return getStreamDialect(spec.dialect).errorFrames(error, 0, { context, frames: [] })
}

function tell(json: boolean, told: { rid: string; done: string; as?: string }): number {
  if (json) console.log(JSON.stringify(told))
  else console.log(`${told.rid}: ${told.done}${told.as === undefined ? '' : ` as ${told.as}`}`)
  return 0
}

function refuse(message: string): number {
  console.error(message)
  return 1
}

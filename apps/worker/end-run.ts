import { GatewayError } from '#libs/core'
import type { Ending, FinishedRun } from '#libs/runs'
import { beforeAll, type Cursor, type LogEntry } from '#libs/streams'
import type { RunWriter } from './append-pump.ts'
import type { WorkerDeps } from './deps.ts'
import { insist } from './insist.ts'
import type { SpooledRun } from './upkeep/spool.ts'

/** A Redis that is away for longer may stay away for longer than this process lives. */
const spoolAfterMs = 2_000

/**
 * Ends a run in Redis, however long that takes. While Redis is away the answer lies in the spool, so that it is not
 * lost with this process.
 */
export async function endInStore(
  { store, spool, logger }: WorkerDeps,
  writer: RunWriter,
  ending: Ending,
  finished: FinishedRun,
): Promise<'ended' | 'fenced'> {
  const { rid } = ending.spec
  const onError = (error: unknown): void => logger.warn({ err: error, rid }, 'end failed, will be repeated')
  const spooled: SpooledRun = { finished, epoch: ending.epoch, homeChannel: ending.homeChannel }
  let keeping: Promise<void> | undefined
  const timer = setTimeout(() => {
    keeping = spool
      .keep(spooled)
      .catch((error: unknown) => logger.error({ err: error, rid }, 'a finished run could not be spooled'))
  }, spoolAfterMs)
  for (;;) {
    const ended = await insist(() => store.end(ending), onError)
    const isDone = ended === 'ended' || ended === 'fenced' || (await writer.repair()) === 'fenced'
    if (!isDone) continue
    clearTimeout(timer)
    await keeping
    if (keeping !== undefined) await spool.drop(rid)
    return ended === 'ended' ? 'ended' : 'fenced'
  }
}

/** Ends the runs in Redis that a worker on this machine finished while Redis was away. */
export async function settleSpool(deps: WorkerDeps): Promise<void> {
  for (const spooled of await deps.spool.list()) {
    const { rid } = spooled.finished.run.spec
    try {
      const found = await settleSpooled(deps, spooled)
      await deps.spool.drop(rid)
      deps.logger.info({ rid, found }, 'a spooled run is settled')
    } catch (error) {
      deps.logger.error({ err: GatewayError.from(error), rid }, 'a spooled run could not be settled')
    }
  }
}

async function settleSpooled(
  deps: WorkerDeps,
  { finished, epoch, homeChannel }: SpooledRun,
): Promise<'ended' | 'fenced' | 'archived'> {
  const { spec, end, claimedAtMs } = finished.run
  const { rid, tenant } = spec
  const found = await deps.store.inspect(rid)
  if (found === undefined || found.state === 'accepted') {
    if (found === undefined && (await deps.archive.read(rid, tenant)) !== undefined) return 'archived'
    const claimed = { spec, epoch, body: finished.body, homeChannel, claimedAtMs: claimedAtMs ?? Date.now() }
    await deps.store.restore({ status: 'run', ...claimed })
  }
  const entry = await missingFrames(deps, finished, epoch)
  const ended = await deps.store.end({ spec, epoch, homeChannel, end, entry, isWhole: !spec.stream })
  if (ended === 'ended' || ended === 'fenced') return ended
  throw new Error(`Redis lost run ${rid} while it was settled.`)
}

/** What of a finished run's frames the log lacks, as one entry. */
async function missingFrames(
  { log }: WorkerDeps,
  { run, log: text }: FinishedRun,
  epoch: number,
): Promise<LogEntry> {
  const { spec, end } = run
  const last = (await readEntries(log, spec.rid, spec.tenant)).at(-1)
  const frames = text === '' ? [] : spec.stream ? text.split('\n') : [text]
  const left = frames.slice((last?.seq ?? -1) + 1)
  const seq = left.length === 0 ? end.frames : end.frames - 1
  return { epoch, seq, count: left.length, meta: '', payload: left.join('\n') }
}

/** All that Redis holds of a run's log, oldest first. */
export async function readEntries(log: WorkerDeps['log'], rid: string, tenant: string): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  let cursor: Cursor = beforeAll
  for (;;) {
    const page = await log.read(rid, tenant, cursor)
    entries.push(...(page?.entries ?? []))
    const last = page?.entries.at(-1)
    if (last === undefined || page?.complete !== false) return entries
    cursor = { epoch: last.epoch, seq: last.seq }
  }
}

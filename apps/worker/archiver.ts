import type { RunId } from '#libs/core'
import { openaiVideos } from '#libs/dialects'
import type { Archive, ArchiveRecord, FinishedRun, RunMedia, RunStore } from '#libs/runs'
import type { Logger } from '#libs/telemetry'
import type { WebhookEvent } from '#libs/webhooks'
import { toEvents } from './to-events.ts'
import { insist } from './insist.ts'

/**
 * Carries finished runs from the outbox to the archive. The worker that ended a run still has all of it in memory
 * and offers it here, so that the common way reads nothing back; what nobody offered, because its worker died or
 * the archive was away, is recovered from Redis by the sweeper. Either way the outbox forgets a run only when an
 * object holds it, and when webhooks know of its end.
 */
export interface Archiver {
  offer(finished: FinishedRun): void
  /** Resolves when the archive holds the run, however long that takes. For runs whose end must wait for it. */
  storeFirst(finished: FinishedRun): Promise<void>
  /** After `storeFirst` and the end: takes the run out of the outbox, or leaves that to the sweeper if it fails. */
  settle(finished: FinishedRun): Promise<void>
  /** Reads these runs back from Redis and archives them. */
  recover(rids: readonly RunId[]): Promise<void>
  /** Archives what was offered, as far as the object store takes it. */
  close(): Promise<void>
}

export interface ArchiverOptions {
  archive: Archive
  media: Pick<RunMedia, 'erase'>
  store: RunStore
  /** Tells webhooks; may be called again with the same events. */
  publish: (events: readonly WebhookEvent[]) => Promise<void>
  logger: Logger
}

const lingerMs = 250
const batchRuns = 500
/** Above this, offers are not kept: Redis has them, and the sweeper brings them when the archive is back. */
const heldBytes = 32 * 1024 * 1024

export function createArchiver(options: ArchiverOptions): Archiver {
  let offered: FinishedRun[] = []
  let offeredBytes = 0
  let writingBytes = 0
  let timer: NodeJS.Timeout | undefined
  const writing = new Set<Promise<void>>()

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    const batch = offered
    offered = []
    if (batch.length === 0) return
    const batchBytes = offeredBytes
    offeredBytes = 0
    writingBytes += batchBytes
    const done = writeBatch(options, batch)
      .catch((error: unknown) =>
        options.logger.warn({ err: error, runs: batch.length }, 'archiving failed, will be retried'),
      )
      .finally(() => {
        writingBytes -= batchBytes
        writing.delete(done)
      })
    writing.add(done)
  }

  return {
    offer(finished) {
      const size = finished.body.length + finished.log.length
      if (offeredBytes + writingBytes + size > heldBytes) return
      offeredBytes += size
      if (offered.push(finished) >= batchRuns) flush()
      else timer ??= setTimeout(flush, lingerMs)
    },
    storeFirst: (finished) =>
      insist(
        async () => {
          const { failed } = await options.archive.write([toRecord(finished)])
          if (failed[0] !== undefined) throw failed[0].error
        },
        (error) => options.logger.warn({ err: error }, 'an answer waits for the archive'),
      ),
    settle: (finished) =>
      announce(options, [finished])
        .then((told) => (told.size === 0 ? undefined : settle(options, [toRecord(finished)])))
        .catch((error: unknown) => options.logger.warn({ err: error }, 'settling failed, will be retried')),
    async recover(rids) {
      const { runs, unwanted } = await options.store.finished(rids)
      if (runs.length > 0) await writeBatch(options, runs)
      for (const { rid, tenant } of unwanted) await eraseRun(options, rid, tenant)
    },
    async close() {
      flush()
      await Promise.all(writing)
    },
  }
}

async function writeBatch(options: ArchiverOptions, batch: FinishedRun[]): Promise<void> {
  const { archive, logger } = options
  // Before the archive: a store that is away holds up no news.
  const told = await announce(options, batch)
  const records = batch.map(toRecord)
  const { stored, failed } = await archive.write(records)
  for (const { rids, error } of failed)
    logger.warn({ err: error, runs: rids.length }, 'archiving failed, will be retried')
  const isStored = new Set(stored)
  await settle(
    options,
    records.filter(({ rid }) => isStored.has(rid) && told.has(rid)),
  )
}

/** Tells webhooks how these runs have ended; gives those of which they know, or need not know. */
async function announce({ publish, logger }: ArchiverOptions, batch: FinishedRun[]): Promise<Set<RunId>> {
  const told = new Set(batch.map(({ run }) => run.spec.rid))
  const events = batch.flatMap(toEvents)
  const publishOf = async ([tenant, own]: [string, WebhookEvent[]]): Promise<void> => {
    try {
      await publish(own)
    } catch (error) {
      logger.warn({ err: error, tenant, events: own.length }, 'webhooks could not be told, will be retried')
      for (const { data } of own) told.delete(data.id)
    }
  }
  await Promise.all([...Map.groupBy(events, ({ tenant }) => tenant)].map(publishOf))
  return told
}

function toRecord(finished: FinishedRun): ArchiveRecord {
  const { rid, tenant } = finished.run.spec
  return { rid, tenant, line: JSON.stringify(finished) }
}

async function settle(options: ArchiverOptions, records: ArchiveRecord[]): Promise<void> {
  if (records.length === 0) return
  const tenants = new Map(records.map(({ rid, tenant }) => [rid, tenant]))
  for (const rid of await options.store.settle([...tenants.keys()])) {
    await eraseRun(options, rid, tenants.get(rid))
  }
}

/** Redis forgets a deleted run last: as long as it knows of it, nobody can read what the archive may still hold. */
async function eraseRun(
  { archive, media, store, logger }: ArchiverOptions,
  rid: RunId,
  tenant: string | undefined,
): Promise<void> {
  try {
    if (tenant !== undefined) {
      await archive.erase(rid, tenant)
      if (rid.startsWith(openaiVideos.idPrefix)) await media.erase(rid, tenant)
    }
    await store.forget(rid)
  } catch (error) {
    logger.warn({ err: error, rid }, 'a deleted run could not be erased, will be retried')
  }
}

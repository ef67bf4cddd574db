import type { RunId } from '#libs/core'
import { isRunId } from '#libs/core'
import type { ObjectStore } from '#libs/storage'
import type { ArchiveRecord, Segment, SegmentIndex } from './segment.ts'
import { blankRun, encodeSegments, mayHold, minutePrefix, parseIndex } from './segment.ts'

/**
 * Finished runs in an object store, many to an object (see `segment.ts` for its format). A run may lie in
 * several segments, because a batch that was stored but not settled comes again in other company.
 */
export interface Archive {
  /**
   * Stores the records and tells which are durable and which are not. It does not throw for a record or a
   * store that fails: what is `stored` may be settled, and what `failed` may be written again in any batch.
   */
  write(records: readonly ArchiveRecord[]): Promise<WriteOutcome>
  /** The run's line; `undefined` if this tenant has no such run here. */
  read(rid: RunId, tenant: string): Promise<string | undefined>
  /**
   * Overwrites the run's text wherever it lies; false if this tenant has no such run here. The caller sees to it
   * that the run is not written again.
   */
  erase(rid: RunId, tenant: string): Promise<boolean>
}

/** Every run of a batch is in one of the two. */
export interface WriteOutcome {
  stored: RunId[]
  failed: { rids: RunId[]; error: unknown }[]
}

/** Where segments go and how large they grow. */
export interface ArchiveOptions {
  store: ObjectStore
  /** Lets no two erasures of one tenant run at once, on whatever machine: each rewrites whole segments. */
  exclusively: <T>(tenant: string, act: () => Promise<T>) => Promise<T>
  /** Bytes of lines in one segment; erasing a run reads and writes a whole one. Default 8 MiB. */
  maxSegmentBytes?: number
}

const requestsAtOnce = 8
/** Holds the index of some 500 runs and all of a small segment. */
const firstReadBytes = 65_536
/** Some 10 MB of memory. */
const maxCachedRuns = 50_000
const tenantPattern = /^[a-z0-9][a-z0-9_-]{0,62}$/

/** The archive in this store, which stays its owner's. Indexes of segments read last are kept in memory. */
export function createArchive({ store, exclusively, maxSegmentBytes = 8_388_608 }: ArchiveOptions): Archive {
  const indexes = createIndexCache(maxCachedRuns)

  async function candidates(rid: RunId, tenant: string): Promise<string[]> {
    if (!isRunId(rid) || !tenantPattern.test(tenant)) return []
    const keys = await store.list(minutePrefix(rid, tenant))
    return keys.filter((key) => mayHold(key, rid))
  }

  async function readLine(key: string, rid: RunId): Promise<string | undefined> {
    const known = indexes.get(key)
    const { index, head } = known ? { index: known, head: undefined } : await readIndex(store, key)
    if (!known && head) indexes.add(key, index)
    const place = index.get(rid)
    if (!place) return undefined
    const inHead = head && place.end <= head.length
    const bytes = inHead ? head.subarray(place.start, place.end) : await store.get(key, place)
    const line = bytes?.toString() ?? ''
    return isBlank(line) ? undefined : line
  }

  async function eraseFrom(keys: readonly string[], rid: RunId): Promise<boolean> {
    let erased = false
    await eachOf(keys, async (key) => {
      if ((await readLine(key, rid)) === undefined) return
      const body = await store.get(key)
      if (!body || !blankRun(body, rid)) return
      await store.put(key, body)
      erased = true
    })
    return erased
  }

  return {
    write: (records) => writeSegments(store, records, maxSegmentBytes),

    async read(rid, tenant) {
      let line: string | undefined
      await eachOf(await candidates(rid, tenant), async (key) => {
        if (line === undefined) line = (await readLine(key, rid)) ?? line
      })
      return line
    },

    async erase(rid, tenant) {
      const keys = await candidates(rid, tenant)
      if (keys.length === 0) return false
      return exclusively(tenant, () => eraseFrom(keys, rid))
    },
  }
}

async function writeSegments(
  store: ObjectStore,
  records: readonly ArchiveRecord[],
  maxSegmentBytes: number,
): Promise<WriteOutcome> {
  const failed: WriteOutcome['failed'] = []
  const valid = records.filter((record) => {
    const error = refusal(record)
    if (error) failed.push({ rids: [record.rid], error })
    return !error
  })
  const stored: RunId[] = []
  await eachOf(encodeSegments(valid, maxSegmentBytes), async ({ key, body, rids }: Segment) => {
    try {
      // `exists` is as good: the key tells which runs are in it, and an erasure in it must stand.
      await store.put(key, body, { onlyIfAbsent: true })
      stored.push(...rids)
    } catch (error) {
      failed.push({ rids, error })
    }
  })
  return { stored, failed }
}

/** The index and the bytes that were read to get it, which are absent if the object is. */
async function readIndex(store: ObjectStore, key: string): Promise<{ index: SegmentIndex; head?: Buffer }> {
  for (let length = firstReadBytes; ; length *= 4) {
    const head = await store.get(key, { start: 0, end: length })
    if (!head) return { index: new Map() }
    try {
      const index = parseIndex(head)
      if (index) return { index, head }
    } catch (cause) {
      throw new Error(`${key} in the archive has a first line that is no index; restore or remove it.`, {
        cause,
      })
    }
    if (head.length < length) throw new Error(`${key} in the archive is cut short; restore or remove it.`)
  }
}

function refusal({ rid, tenant, line }: ArchiveRecord): TypeError | undefined {
  if (!isRunId(rid)) return new TypeError(`${JSON.stringify(rid)} is not a run id.`)
  if (!tenantPattern.test(tenant))
    return new TypeError(`${JSON.stringify(tenant)} can't name a tenant's archive.`)
  if (line.includes('\n') || isBlank(line))
    return new TypeError(`The record of ${rid} is not one line of JSON.`)
  return undefined
}

/** What is left of an erased run. */
function isBlank(line: string): boolean {
  return line.trimStart() === ''
}

/** Acts on each item, a few at once; rejects with the first failure. */
async function eachOf<Item>(items: readonly Item[], act: (item: Item) => Promise<void>): Promise<void> {
  const rest = items.values()
  const lanes = Array.from({ length: requestsAtOnce }, async () => {
    for (const item of rest) await act(item)
  })
  await Promise.all(lanes)
}

/**
 * Indexes of the segments read last, since the runs that a client asks for are mostly neighbours. An index never
 * changes: what was erased since is still found in it, and then read as blanks.
 */
function createIndexCache(maxRuns: number) {
  const indexes = new Map<string, SegmentIndex>()
  let runs = 0
  return {
    get(key: string): SegmentIndex | undefined {
      const index = indexes.get(key)
      if (!index) return undefined
      indexes.delete(key)
      indexes.set(key, index)
      return index
    },
    add(key: string, index: SegmentIndex): void {
      if (indexes.has(key)) return
      indexes.set(key, index)
      runs += index.size
      for (const [oldest, { size }] of indexes) {
        if (runs <= maxRuns) return
        indexes.delete(oldest)
        runs -= size
      }
    },
  }
}

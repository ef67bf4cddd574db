import type { RunId } from '#libs/core'
import { failedUnheard, type FinishedRun, type RunEnd, type RunSpec } from '#libs/runs'
import {
  beforeAll,
  framesAfter,
  isEnd,
  replay,
  type Following,
  type LogEntry,
  type Reader,
} from '#libs/streams'
import type { ApiDeps } from './deps.ts'
import { tellWhole, type FoundRun } from './find-run.ts'
import { openingOf } from './response-headers.ts'
import { accept, type Prepared } from './submit.ts'

/** A reader that takes a run to its client, over whatever connection. */
export interface Delivery extends Reader {
  /** To be called once, with what feeds the delivery. */
  attach(following: Following): void
  /** Lets go of a connection on which nothing was sent yet: somebody else will answer. */
  detach(): void
}

/**
 * Accepts a run that the delivery follows from its first frame on. Gives the id of the run that answers the request:
 * an earlier one when the idempotency key stands for it, and then the delivery is detached.
 */
export async function acceptFollowed(deps: ApiDeps, prepared: Prepared, delivery: Delivery): Promise<RunId> {
  const { rid, tenant } = prepared.spec
  delivery.attach(deps.readers.followNew(rid, tenant, delivery))
  try {
    const answering = await accept(deps, prepared, deps.readers.homeChannel)
    if (answering !== rid) delivery.detach()
    return answering
  } catch (error) {
    delivery.detach()
    throw error
  }
}

/** Feeds a delivery with a run that exists, behind frame `after`: live, or from where it is kept. */
export function followFound(deps: ApiDeps, found: FoundRun, after: number, delivery: Delivery): void {
  const { spec } = found.run
  // The log holds a whole answer as one entry, whatever number of frames it is told in.
  const start = spec.stream ? { epoch: 0, seq: after } : beforeAll
  delivery.attach(
    found.source === 'redis'
      ? deps.readers.follow(spec.rid, spec.tenant, start, delivery)
      : replay(toEntries(found.finished), start.seq, delivery),
  )
}

/** The frames of an entry that are new to a reader, and the number of the first of them. */
export interface NewFrames {
  frames: string[]
  first: number
  /** How the run ended, if this is its last entry. */
  end: RunEnd | null
}

/** Reads an entry for a client that asked for what comes behind frame `after` and stands behind `seq`. */
export function readEntry(spec: RunSpec, after: number, entry: LogEntry, seq: number): NewFrames {
  const end = isEnd(entry) ? (JSON.parse(entry.meta.slice(1)) as RunEnd) : null
  if (spec.stream) {
    const frames = framesAfter(entry, seq)
    return { frames, first: entry.seq - frames.length + 1, end }
  }
  const told = tellWhole({ spec, end }, entry.count === 0 ? undefined : entry.payload)
  return { frames: told.slice(after + 1), first: after + 1, end }
}

const entryLength = 64 * 1024

/** What is archived of a run, as its log was told: in pieces that a connection takes at once. */
function* toEntries({ run: { spec, end }, log }: FinishedRun): Generator<LogEntry> {
  const last = `e${JSON.stringify(end)}`
  if (!spec.stream || log === '') {
    yield { epoch: 1, seq: 0, count: log === '' ? 0 : 1, meta: last, payload: log }
    return
  }
  const opening = `o${JSON.stringify(openingOf(spec, end))}`
  let seq = -1
  for (let start = 0; start < log.length;) {
    // A failure that can still be told by a status is told in one piece.
    const cut = failedUnheard(end) ? -1 : log.indexOf('\n', start + entryLength)
    const payload = log.slice(start, cut === -1 ? log.length : cut)
    const count = payload.split('\n').length
    seq += count
    yield { epoch: 1, seq, count, meta: cut === -1 ? last : opening, payload }
    start += payload.length + 1
  }
}

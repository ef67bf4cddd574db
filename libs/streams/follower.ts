import type { RunId } from '#libs/core'
import { firstSeq, isEnd, type LogEntry } from './log-entry.ts'
import type { Cursor, StreamLog } from './stream-log.ts'

/**
 * One reader's way along one run's log. The log is the truth; a published message is a fast path and a doorbell.
 *
 * - `live`: it stands at its cursor and takes a message that begins right behind it. A message that begins
 *   later tells of a gap: it goes to `reading`. One that ends at or before the cursor is old and is dropped.
 * - `reading`: a page of the log is on its way. Messages are not kept, only the fact that one came (`stale`), so
 *   that another page is read after this one. When a page is the last and nothing came meanwhile: `live`.
 * - `full`: the reader would not take more. Nothing is kept for it; resuming goes to `reading`.
 * - `done`: the end was delivered, or the following was stopped or lost.
 *
 * So a follower never holds more than the page it is handing over.
 */
export interface Follower {
  readonly rid: RunId
  readonly tenant: string
  readonly reader: Reader
  /** Whether it hears of the run on its process's home channel, or on the run's own. */
  readonly home: boolean
  cursor: Cursor
  state: 'live' | 'reading' | 'full' | 'done'
  stale: boolean
  /** When it last heard or asked, for the watchdog. */
  heardAt: number
  /** Since when a run whose home is here was not to be found. */
  missingSince: number | undefined
}

/**
 * Who takes the entries of a run, in order and without gaps. Called synchronously, and not after its following
 * stopped.
 */
export interface Reader {
  /** Takes an entry whose frames after `seq` are new to it. False means full: nothing comes until `resume()`. */
  take(entry: LogEntry, seq: number): boolean
  /** All that was written until now was taken; more comes as it is written. */
  caughtUp?(): void
  /** The log holds no more, and has ended before this cursor. */
  ended(): void
  /** The tenant has no such run here (any more), or the log could not be read. Nothing comes after it. */
  lost(error: unknown): void
}

/** After so long, a run that is not to be found is gone. */
const expectedWithinMs = 30_000

/** What followers need of their surroundings. */
export interface FollowerHost {
  readonly log: StreamLog
  /** Has `readPage` called for the follower when it is its turn. */
  schedule(follower: Follower): void
  /** Called once, when the follower became `done`. */
  onDone(follower: Follower): void
}

/** A message came for the follower. */
export function hear(host: FollowerHost, follower: Follower, entry: LogEntry): void {
  if (follower.state === 'live' && firstSeq(entry) <= follower.cursor.seq + 1) deliver(host, follower, entry)
  else if (follower.state !== 'full') requestRead(host, follower)
}

/** The log may hold something new for the follower. */
export function requestRead(host: FollowerHost, follower: Follower): void {
  if (follower.state === 'done') return
  if (follower.state === 'reading') {
    follower.stale = true
    return
  }
  follower.state = 'reading'
  host.schedule(follower)
}

export async function readPage(host: FollowerHost, follower: Follower): Promise<void> {
  const isReading = (): boolean => follower.state === 'reading'
  if (!isReading()) return
  follower.stale = false
  follower.heardAt = Date.now()
  const page = await host.log.read(follower.rid, follower.tenant, follower.cursor)
  if (!isReading()) return
  if (page === undefined) return miss(host, follower)
  follower.missingSince = undefined
  for (const entry of page.entries) {
    deliver(host, follower, entry)
    if (!isReading()) return
  }
  if (!page.complete || follower.stale) {
    host.schedule(follower)
  } else if (page.state === 'ended' || page.state === 'persisted') {
    finish(host, follower, () => follower.reader.ended())
  } else {
    follower.state = 'live'
    follower.reader.caughtUp?.()
  }
}

/**
 * The run is not there. One whose home is here may be on its way to Redis, or on its way back: its worker writes it
 * down again when Redis has lost it.
 */
function miss(host: FollowerHost, follower: Follower): void {
  follower.missingSince ??= follower.heardAt
  if (follower.home && follower.heardAt - follower.missingSince < expectedWithinMs) follower.state = 'live'
  else finish(host, follower, () => follower.reader.lost(undefined))
}

function deliver(host: FollowerHost, follower: Follower, entry: LogEntry): void {
  const { epoch, seq } = follower.cursor
  if (entry.epoch < epoch || (entry.seq <= seq && !isEnd(entry))) return
  follower.heardAt = Date.now()
  follower.cursor = { epoch: entry.epoch, seq: Math.max(entry.seq, seq) }
  const hasRoom = follower.reader.take(entry, seq)
  if (isEnd(entry)) finish(host, follower)
  else if (!hasRoom && follower.state !== 'done') follower.state = 'full'
}

/** Makes the follower `done`, then tells its reader why. Idempotent. */
export function finish(host: FollowerHost, follower: Follower, tell?: () => void): void {
  if (follower.state === 'done') return
  follower.state = 'done'
  host.onDone(follower)
  tell?.()
}

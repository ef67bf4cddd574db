import { GatewayError, type RunId } from '#libs/core'
import type { RunEnd, RunSpec } from '#libs/runs'
import type { Following } from '#libs/streams'
import type { ApiDeps } from '../deps.ts'
import { findRun, notFound, readFrames, type FoundRun } from '../find-run.ts'
import { acceptFollowed, followFound, readEntry, type Delivery } from '../follow.ts'
import { leaveRun } from '../send-run.ts'
import type { Prepared } from '../submit.ts'
import type { Connection } from './connection.ts'

/** Where a frame stands. */
export interface Position {
  rid: RunId
  seq: number
  /** How the run ended, if this is among the last of its frames. */
  end: RunEnd | null
}

/** How a protocol tells of a run. */
export interface Telling {
  /** The message that tells a frame, which is JSON. */
  toMessage(frame: string, position: Position): string
  /** Called once and before all messages, when the run is known that will be told. */
  onRun?(spec: RunSpec): void
}

/** How a delivery ended: with the run, by the connection, or `unsaid` if there was nothing left to say. */
type Outcome = { how: 'ended'; end: RunEnd } | { how: 'left' | 'unsaid' }

/**
 * Creates a run and tells it from its first frame on. Resolves, when the last one is handed over, with how it ended;
 * with `undefined` when the connection closed before. Throws what is wrong.
 */
export async function deliverNew(
  deps: ApiDeps,
  connection: Connection,
  prepared: Prepared,
  telling: Telling,
): Promise<RunEnd | undefined> {
  const { spec } = prepared
  if (!connection.isOpen) return undefined
  const { delivery, over, announce } = createDelivery(connection, spec, -1, telling)
  const rid = await acceptFollowed(deps, prepared, delivery)
  if (rid !== spec.rid) {
    return deliverFound(
      deps,
      connection,
      { found: await findRun(deps, rid, spec.tenant), after: -1 },
      telling,
    )
  }
  announce()
  const outcome = await over
  if (outcome.how === 'left') leaveRun(deps, spec)
  return conclude(deps, connection, spec, { outcome, telling })
}

/**
 * Tells a run that exists behind frame `after`, as {@link deliverNew} does. It always ends with the run's last frame,
 * also for one who has it: a message that never comes could not be told from one that is late.
 */
export async function deliverFound(
  deps: ApiDeps,
  connection: Connection,
  { found, after }: { found: FoundRun; after: number },
  telling: Telling,
): Promise<RunEnd | undefined> {
  const { spec } = found.run
  if (after >= 0) deps.metrics.streamResumes({}).inc()
  const { delivery, over, announce } = createDelivery(connection, spec, after, telling)
  announce()
  followFound(deps, found, after, delivery)
  return conclude(deps, connection, spec, { outcome: await over, telling })
}

async function conclude(
  deps: ApiDeps,
  connection: Connection,
  { rid, tenant }: RunSpec,
  { outcome, telling }: { outcome: Outcome; telling: Telling },
): Promise<RunEnd | undefined> {
  if (outcome.how !== 'unsaid') return outcome.how === 'ended' ? outcome.end : undefined
  const found = await findRun(deps, rid, tenant)
  const frames = await readFrames(deps, found)
  const last = frames.at(-1)
  const { end } = found.run
  if (last === undefined || end === null) throw notFound()
  connection.write([telling.toMessage(last, { rid, seq: frames.length - 1, end })])
  return end
}

function createDelivery(connection: Connection, spec: RunSpec, after: number, telling: Telling) {
  const { promise: over, resolve, reject } = Promise.withResolvers<Outcome>()
  const { rid } = spec
  let following: Following | undefined
  let isAnnounced = false
  let hasSaid = false
  // The first frame may be here before the answer of the script that accepted the run.
  const announce = (): void => {
    if (!isAnnounced) telling.onRun?.(spec)
    isAnnounced = true
  }
  const leave = (): void => {
    following?.stop()
    resolve({ how: 'left' })
  }
  const forget = connection.onClose(leave)
  const finish = (outcome: Outcome): void => {
    forget()
    resolve(outcome)
    connection.resumeNext()
  }
  const delivery: Delivery = {
    attach(fed) {
      following = fed
      if (!connection.isOpen) leave()
    },
    detach() {
      forget()
      following?.stop()
    },
    take(entry, seq) {
      announce()
      const { frames, first, end } = readEntry(spec, after, entry, seq)
      const messages = frames.map((frame, index) =>
        telling.toMessage(frame, { rid, seq: first + index, end }),
      )
      const hasRoom = connection.write(messages)
      hasSaid ||= messages.length > 0
      if (end !== null) finish(hasSaid ? { how: 'ended', end } : { how: 'unsaid' })
      else if (!hasRoom && following !== undefined) connection.awaitRoom(following)
      return hasRoom
    },
    caughtUp: () => connection.resumeNext(),
    ended: () => finish({ how: 'unsaid' }),
    lost(error) {
      reject(error === undefined ? notFound() : GatewayError.from(error))
      finish({ how: 'left' })
    },
  }
  // It may be lost before anyone waits, and a rejection that nobody handles ends the process.
  over.catch(() => undefined)
  return { delivery, over, announce }
}

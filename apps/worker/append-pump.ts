import { setTimeout as sleep } from 'node:timers/promises'
import type { RunId } from '#libs/core'
import type { AppendResult, LogEntry, StreamLog } from '#libs/streams'

/**
 * Gathers the frames of all runs that this worker carries, and appends them in rounds.
 *
 * A run's first frames go out at once, since many a dialect says something before the first token. Later ones wait for those that come within a window, which grows with the
 * number of open runs: a few milliseconds for a few, 25 from fifty on, which nobody sees and which lets a
 * quick model's tokens go together, and half a second for ten thousand. So a worker makes at most `appendsPerSecond`
 * appends, however many streams it carries, and each of them costs no timer.
 *
 * What was appended is kept until the run has ended. When an answer of Redis is lost, or Redis has lost frames or
 * the whole run, the writer repairs the log: it sends again from the last frame that is known to be there, or from
 * the first. Numbers make that harmless, and frames that come meanwhile wait for it.
 */
export interface AppendPump {
  open(run: PumpedRun): RunWriter
  close(): void
}

export interface PumpedRun {
  rid: RunId
  epoch: number
  homeChannel: string
  /** Tells how the run was opened; asked once, for the first append. */
  opening: () => string
  /** Has the run's record written down again, or finds out that the run has ended elsewhere. */
  restore: () => Promise<'there' | 'fenced'>
  /** Called when the run shall stop, or another worker has it. */
  onInterrupt: (result: 'cancel' | 'fenced') => void
  onError: (error: unknown) => void
}

export interface RunWriter {
  /** The number of the next frame. */
  readonly seq: number
  write(frame: string): void
  /** Appends no more: gives what is left, and `lastFrames` behind it, for the caller's end entry. */
  finish(lastFrames?: readonly string[]): LogEntry
  /** Sends again what Redis may lack, as often as it takes; `fenced` if the run is not this writer's any more. */
  repair(): Promise<'whole' | 'fenced'>
  /** All frames so far, joined by line breaks. */
  text(): string
}

const promptEntries = 3
const appendsPerSecond = 20_000
/** So often it is looked whose window is over: not all at once, or every process on the way would work in bursts. */
const roundMs = 4
const usualWindowMs = 25
/** A reader takes an entry at once, however slow it is. */
const mostPendingLength = 64 * 1024
const repairRetryMs = 250
const entriesAtOnce = 64

export function createAppendPump(log: StreamLog): AppendPump {
  const open = new Set<Writer>()
  /** Those with frames to append, in the order in which these came. */
  const dirty: Writer[] = []
  let timer: NodeJS.Timeout | undefined

  function round(): void {
    const dueMs = performance.now() - windowMs(open.size)
    const waiting = dirty.findIndex((writer) => writer.dirtyAtMs > dueMs)
    for (const writer of dirty.splice(0, waiting === -1 ? dirty.length : waiting)) flush(log, writer)
    timer = dirty.length > 0 ? setTimeout(round, roundMs) : undefined
  }

  return {
    open(run) {
      const writer = newWriter(run)
      open.add(writer)
      return {
        get seq() {
          return writer.seq
        },
        text() {
          const appended = writer.entries.map(({ payload }) => payload)
          return [...appended, ...writer.last, ...writer.pending].join('\n')
        },
        repair: () => repair(log, writer, { from: 0, isSuspect: true }),
        write(frame) {
          writer.seq += 1
          writer.pendingLength += frame.length
          if (writer.pending.push(frame) > 1) {
            if (writer.pendingLength >= mostPendingLength) flush(log, writer)
            return
          }
          if (writer.entries.length < promptEntries) return flush(log, writer)
          writer.dirtyAtMs = performance.now()
          dirty.push(writer)
          timer ??= setTimeout(round, roundMs)
        },
        finish(lastFrames = []) {
          open.delete(writer)
          writer.seq += lastFrames.length
          writer.pending.push(...lastFrames)
          const entry = takeEntry(writer)
          if (entry.count > 0) writer.last = [entry.payload]
          return entry
        },
      }
    },
    close: () => clearTimeout(timer),
  }
}

function windowMs(openRuns: number): number {
  const comfortable = Math.min(openRuns / 2, usualWindowMs)
  return Math.max(comfortable, (openRuns * 1000) / appendsPerSecond)
}

interface Writer {
  run: PumpedRun
  seq: number
  pending: string[]
  pendingLength: number
  /** When the first of the pending frames came. */
  dirtyAtMs: number
  /** All entries but the last, which the end brings. */
  entries: LogEntry[]
  /** How many of them Redis has said to have. */
  acknowledged: number
  last: string[]
  isOpened: boolean
  repairing: Promise<'whole' | 'fenced'> | undefined
}

function newWriter(run: PumpedRun): Writer {
  const empty = { pending: [], pendingLength: 0, entries: [], last: [], acknowledged: 0 }
  return { run, seq: 0, dirtyAtMs: 0, ...empty, isOpened: false, repairing: undefined }
}

function flush(log: StreamLog, writer: Writer): void {
  if (writer.pending.length === 0) return
  const entry = takeEntry(writer)
  const position = writer.entries.push(entry)
  // A repair that runs sends this one too.
  if (writer.repairing !== undefined) return
  const { run } = writer
  log.append(run.rid, entry, run.homeChannel).then(
    (result) => {
      if (acknowledge(writer, position, result) !== 'lacks') return
      void repair(log, writer, { from: 0, isSuspect: true })
    },
    (error: unknown) => {
      run.onError(error)
      void repair(log, writer, { from: writer.acknowledged, isSuspect: false })
    },
  )
}

function acknowledge(writer: Writer, position: number, result: AppendResult): 'has' | 'lacks' | 'fenced' {
  if (result === 'gap' || result === 'missing') return 'lacks'
  if (result !== 'appended') writer.run.onInterrupt(result)
  if (result === 'fenced') return 'fenced'
  writer.acknowledged = Math.max(writer.acknowledged, position)
  return 'has'
}

interface Repair {
  /** The first entry to send again. */
  from: number
  /** Whether the run itself may be gone. */
  isSuspect: boolean
}

function repair(log: StreamLog, writer: Writer, { from, isSuspect }: Repair): Promise<'whole' | 'fenced'> {
  writer.acknowledged = Math.min(writer.acknowledged, from)
  writer.repairing ??= sendUntilWhole(log, writer, isSuspect).finally(() => (writer.repairing = undefined))
  return writer.repairing
}

async function sendUntilWhole(
  log: StreamLog,
  writer: Writer,
  isSuspect: boolean,
): Promise<'whole' | 'fenced'> {
  const { run } = writer
  let mayBeGone = isSuspect
  for (;;) {
    try {
      if (mayBeGone && (await run.restore()) === 'fenced') {
        run.onInterrupt('fenced')
        return 'fenced'
      }
      const result = await sendAgain(log, writer)
      if (result === 'has') return 'whole'
      if (result === 'fenced') return 'fenced'
      writer.acknowledged = 0
      mayBeGone = true
    } catch (error) {
      run.onError(error)
      await sleep(repairRetryMs)
    }
  }
}

async function sendAgain(log: StreamLog, writer: Writer): Promise<'has' | 'lacks' | 'fenced'> {
  const { rid, homeChannel } = writer.run
  while (writer.acknowledged < writer.entries.length) {
    const start = writer.acknowledged
    const entries = writer.entries.slice(start, start + entriesAtOnce)
    const results = await Promise.all(entries.map((entry) => log.append(rid, entry, homeChannel)))
    for (const [index, result] of results.entries()) {
      const found = acknowledge(writer, start + index + 1, result)
      if (found !== 'has') return found
    }
  }
  return 'has'
}

function takeEntry(writer: Writer): LogEntry {
  const count = writer.pending.length
  const payload = writer.pending.join('\n')
  const meta = writer.isOpened || count === 0 ? '' : `o${writer.run.opening()}`
  if (count > 0) {
    writer.isOpened = true
    writer.pending = []
    writer.pendingLength = 0
  }
  return { epoch: writer.run.epoch, seq: count === 0 ? writer.seq : writer.seq - 1, count, meta, payload }
}

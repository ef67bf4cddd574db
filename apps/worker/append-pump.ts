import type { RunId } from '#libs/core'
import type { AppendResult, LogEntry, StreamLog } from '#libs/streams'

/**
 * Gathers the frames of all runs that this worker carries, and appends them in rounds.
 *
 * A run's first frame goes out at once. Later ones wait for the next round, which comes after a window that grows
 * with the number of open runs: a few milliseconds for a few, half a second for ten thousand. So a worker makes at
 * most `appendsPerSecond` appends, however many streams it carries, and each of them costs no timer.
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
  /** Called with every outcome but `appended`: the run shall stop, or another worker has it, or Redis lost it. */
  onInterrupt: (result: Exclude<AppendResult, 'appended'>) => void
  onError: (error: unknown) => void
}

export interface RunWriter {
  /** The number of the next frame. */
  readonly seq: number
  write(frame: string): void
  /** Appends no more: gives what is left, and `lastFrame` behind it, for the caller's end entry. */
  finish(lastFrame?: string): LogEntry
  /** After `finish`: all frames, joined by line breaks. */
  text(): string
}

const appendsPerSecond = 20_000
const shortestWindowMs = 4

export function createAppendPump(log: StreamLog): AppendPump {
  const open = new Set<Writer>()
  let dirty: Writer[] = []
  let timer: NodeJS.Timeout | undefined

  function round(): void {
    timer = undefined
    const writers = dirty
    dirty = []
    for (const writer of writers) flush(log, writer)
  }

  return {
    open(run) {
      const writer: Writer = { run, seq: 0, pending: [], appended: [], isOpened: false, isDone: false }
      open.add(writer)
      return {
        get seq() {
          return writer.seq
        },
        text: () => writer.appended.join('\n'),
        write(frame) {
          writer.seq += 1
          if (writer.pending.push(frame) > 1) return
          if (!writer.isOpened) return flush(log, writer)
          dirty.push(writer)
          timer ??= setTimeout(round, Math.max(shortestWindowMs, (open.size * 1000) / appendsPerSecond))
        },
        finish(lastFrame) {
          open.delete(writer)
          writer.isDone = true
          if (lastFrame !== undefined) {
            writer.seq += 1
            writer.pending.push(lastFrame)
          }
          return takeEntry(writer)
        },
      }
    },
    close: () => clearTimeout(timer),
  }
}

interface Writer {
  run: PumpedRun
  seq: number
  pending: string[]
  /** The payloads of the entries so far: kept until the end, for the archive and for a Redis that lost them. */
  appended: string[]
  isOpened: boolean
  isDone: boolean
}

function flush(log: StreamLog, writer: Writer): void {
  if (writer.isDone || writer.pending.length === 0) return
  const { run } = writer
  log.append(run.rid, takeEntry(writer), run.homeChannel).then((result) => {
    if (result !== 'appended') run.onInterrupt(result)
  }, run.onError)
}

function takeEntry(writer: Writer): LogEntry {
  const count = writer.pending.length
  const payload = writer.pending.join('\n')
  const meta = writer.isOpened || count === 0 ? '' : `o${writer.run.opening()}`
  if (count > 0) {
    writer.isOpened = true
    writer.appended.push(payload)
    writer.pending = []
  }
  return { epoch: writer.run.epoch, seq: count === 0 ? writer.seq : writer.seq - 1, count, meta, payload }
}

import type { RunId } from '#libs/core'
import type { LogEntry } from './log-entry.ts'

/**
 * `cancel`: appended, and the run shall stop. `fenced`: a later epoch, or the end, came first. `gap`: the log lacks
 * frames before these. `missing`: Redis has lost the run.
 */
export type AppendResult = 'appended' | 'cancel' | 'fenced' | 'gap' | 'missing'

/** Where a reader stands: after frame `seq`, which it met in an entry of `epoch`. */
export interface Cursor {
  epoch: number
  seq: number
}

/** A reader that has seen nothing. Epochs begin at 1. */
export const beforeAll: Cursor = { epoch: 0, seq: -1 }

/** What one read found, and how far the run had come at that moment. */
export interface LogPage {
  state: string
  entries: LogEntry[]
  /** False when the page was full and another read may give more. */
  complete: boolean
}

/** The append-only logs of all runs. */
export interface StreamLog {
  /** Appends under the writer's epoch and wakes the readers; calls for one run take effect in the order of the calls. */
  append(rid: RunId, entry: LogEntry, homeChannel: string): Promise<AppendResult>
  /**
   * Entries with frames after the cursor, oldest first. An entry may begin with frames that the cursor has
   * passed already. `undefined` if this tenant has no such run in the log store.
   */
  read(rid: RunId, tenant: string, cursor: Cursor): Promise<LogPage | undefined>
}

import type { StoredBytes } from '#libs/files'
import type { LineSetJson } from './line-set.ts'

/** What is fixed about a batch when it is created. */
export interface BatchSpec {
  id: string
  tenant: string
  /** Whose words its lines and results are in. */
  format: string
  /** The path that every one of its requests is for. */
  endpoint: string
  /** The name of its creator's key, whose limits hold for its requests; absent where there are no keys. */
  keyName?: string
  input: Pick<StoredBytes, 'id' | 'bytes'>
  /** As the client asked for it. */
  completionWindow: string
  metadata: Record<string, string> | null
  /** How long the files of its results live; for ever if absent. */
  outputLifeMs?: number
  /** The client's headers that go on to the provider with each request. */
  headers: Record<string, string>
  createdAtMs: number
  expiresAtMs: number
}

/**
 * A batch's way. `validating`: its input is read for the first time. `in_progress`: its requests become runs.
 * `finalizing`: every request has its result, and these are put together. The others are ends.
 */
export type BatchStatus =
  | 'validating'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'failed'
  | 'expired'
  | 'cancelled'

/** What became of one request. */
export type LineOutcome = 'completed' | 'failed' | 'cancelled' | 'expired'

/** What is wrong with the input, and in which line of it. */
export interface InputProblem {
  code: string
  message: string
  line: number | null
  param: string | null
}

/** How far a batch is. */
export interface BatchState {
  status: BatchStatus
  total: number
  counts: Record<LineOutcome, number>
  /** Tokens of all requests that were answered. */
  usage: { input: number; output: number; cached: number; reasoning: number }
  problems: InputProblem[]
  inProgressAtMs?: number
  finalizingAtMs?: number
  endedAtMs?: number
  /** The end that it comes to, known since it is finalizing. */
  ending?: 'completed' | 'expired' | 'cancelled' | 'failed'
  /** The results; of what failed too, where a format keeps them together. */
  output?: StoredBytes
  errors?: StoredBytes
}

/** A batch as it can be asked for. */
export interface Batch {
  spec: BatchSpec
  state: BatchState
  /** When somebody wanted it cancelled. */
  cancelAtMs: number | undefined
}

/**
 * One entry of a batch's log: how far the batch was, and the results that came since the entry before. The log is the
 * truth. An entry's number can be taken once, so a holder that was taken for dead finds its next one taken, and stops.
 */
export interface BatchEntry {
  /** Who wrote it. */
  holder: string
  state: BatchState
  done: LineSetJson
  /** Lines up to this one may have become runs. */
  reservedTo: number
  /** How many bytes of results follow: first those for the output, then those for the errors. */
  outputBytes: number
  errorBytes: number
}

/** Where every batch begins. */
export function initialState(total = 0): BatchState {
  return {
    status: 'validating',
    total,
    counts: { completed: 0, failed: 0, cancelled: 0, expired: 0 },
    usage: { input: 0, output: 0, cached: 0, reasoning: 0 },
    problems: [],
  }
}

/** Whether nothing about the batch changes any more. */
export function hasEnded({ status }: BatchState): boolean {
  return ['completed', 'failed', 'expired', 'cancelled'].includes(status)
}

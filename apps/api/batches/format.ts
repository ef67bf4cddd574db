import type { Batch, BatchSpec, InputProblem, LineOutcome } from '#libs/batches'
import type { ErrorRecord, Usage } from '#libs/core'
import type { FileStore, StoredBytes } from '#libs/files'
import { anthropicFormat } from './anthropic-format.ts'
import { openaiFormat } from './openai-format.ts'

/** A line that can be carried: a request, and the name by which its client will know the result. */
export interface BatchLine {
  customId: string
  /** The request's body as JSON text. */
  json: string
  body: unknown
}

/** What became of a line. One that was cancelled or expired has brought nothing. */
export type LineResult =
  | { outcome: 'completed'; answer: string; usage: Usage | undefined }
  | { outcome: 'failed'; error: ErrorRecord }
  | { outcome: Extract<LineOutcome, 'cancelled' | 'expired'> }

/** A line of the output or of the errors, with its line break. */
export interface WrittenResult {
  file: 'output' | 'errors'
  text: string
}

/** The words in which a vendor's clients send a batch and are told its results. */
export interface BatchFormat {
  readonly name: string
  /** Reads a line, or tells what is wrong with it; `line` is left for the caller to fill in. */
  readLine(text: string, endpoint: string): BatchLine | Omit<InputProblem, 'line'>
  /** The result as a line of the output, or of the errors. `id` is 32 hex digits that stand for the line. */
  writeResult(line: { id: string; customId: string; endpoint: string; result: LineResult }): {
    file: 'output' | 'errors'
    text: string
  }
  /** Lets the client find the results, where it looks for them among its files. */
  keepResults(
    files: FileStore,
    batch: Pick<Batch, 'spec' | 'state'>,
    stored: StoredBytes,
    which: 'output' | 'errors',
  ): Promise<void>
  /** The input is needed no more; it goes, unless it is a file of the client's. */
  dropInput(files: FileStore, spec: BatchSpec): Promise<void>
}

const formats: ReadonlyMap<string, BatchFormat> = new Map(
  [openaiFormat, anthropicFormat].map((format) => [format.name, format]),
)

export function getBatchFormat(name: string): BatchFormat {
  const format = formats.get(name)
  if (format === undefined) throw new Error(`This release has no batches in the words of ${name}.`)
  return format
}

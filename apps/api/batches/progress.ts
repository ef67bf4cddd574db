import { createLineSet, type BatchState, type LineOutcome, type NumberedEntry } from '#libs/batches'
import { GatewayError, type Usage } from '#libs/core'
import type { ApiDeps } from '../deps.ts'
import type { WrittenResult } from './format.ts'
import { LeftBatch, type HeldBatch } from './held-batch.ts'

/** How far a batch is, and its log. What is noted is safe when it is saved; what was not is found again by its run. */
export interface Progress {
  readonly state: BatchState
  isDone(line: number): boolean
  /** Whether an earlier holder may have made a run of the line. */
  mayHaveBegun(line: number): boolean
  /** Resolves when the log says that this line may become a run. */
  reserve(line: number): Promise<void>
  note(line: number, outcome: LineOutcome, written: WrittenResult, usage: Usage | undefined): void
  /** Resolves when so little is unsaved that more may be begun. */
  hasRoom(): Promise<void>
  /** Adds an entry to the log, with a change of the state. */
  save(change?: Partial<BatchState>): Promise<void>
  /** The number of the last entry. */
  readonly entries: number
  close(): void
}

/** So many lines ahead may become runs without an entry for each. */
const reservedAhead = 1_000
const mostUnsavedBytes = 4 * 1024 * 1024
const mostUnsavedLines = 1_000
/** Saved a hundred times as it goes on, however long that is, so that the log stays short. */
const saveAtMostEveryMs = 2_000
const saveAtLeastEveryMs = 60_000
const lookEveryMs = 500
const retryMs = 1_000

/** Goes on where the log ends. The batch's state is kept up to date with it. */
export function createProgress(
  deps: Pick<ApiDeps, 'batches' | 'logger'>,
  held: HeldBatch,
  last: NumberedEntry | undefined,
): Progress {
  const state = last?.entry.state ?? held.state
  held.state = state
  const done = createLineSet(last?.entry.done)
  const inheritedTo = last?.entry.reservedTo ?? 0
  let reservedTo = inheritedTo
  let highest = 0
  let entries = last?.number ?? 0
  let unsaved = createResults()

  async function write(): Promise<void> {
    const results = unsaved
    unsaved = createResults()
    const entry = {
      holder: held.holder,
      state: structuredClone(state),
      done: done.toJSON(),
      reservedTo: Math.max(reservedTo, highest + reservedAhead),
      outputBytes: results.output.bytes,
      errorBytes: results.errors.bytes,
    }
    await append(deps, held, { number: entries + 1, entry }, textsOf(results))
    entries += 1
    reservedTo = entry.reservedTo
  }

  const saver = createSaver(write)
  const schedule = startSchedule(() => {
    if (unsaved.lines > 0) void saver.saveSoon()
  })

  return {
    state,
    isDone: (line) => done.has(line),
    mayHaveBegun: (line) => line <= inheritedTo,
    async reserve(line) {
      highest = Math.max(highest, line)
      if (line > reservedTo) await saver.save()
    },
    note(line, outcome, written, usage) {
      done.add(line)
      state.counts[outcome] += 1
      addUsage(state, usage)
      addResult(unsaved, written)
      if (isMuch(unsaved) || unsaved.lines >= mostUnsavedLines) void saver.saveSoon()
    },
    async hasRoom() {
      if (isMuch(unsaved)) await saver.saveSoon()
    },
    save(change = {}) {
      Object.assign(state, change)
      return saver.save()
    },
    get entries() {
      return entries
    },
    close: schedule.close,
  }
}

/** Adds an entry, however long that takes. Throws `LeftBatch` if another holder has added one. */
async function append(
  { batches, logger }: Pick<ApiDeps, 'batches' | 'logger'>,
  held: HeldBatch,
  entry: NumberedEntry,
  results: readonly string[],
): Promise<void> {
  const { spec } = held
  for (;;) {
    held.check()
    try {
      const answer = await batches.append(spec, entry, results)
      if (answer === 'taken') held.leave()
      held.check()
      return
    } catch (error) {
      if (error instanceof LeftBatch) throw error
      logger.warn(
        { err: GatewayError.from(error), batch: spec.id },
        'an entry of a batch will be written again',
      )
      await held.waitOut(retryMs)
    }
  }
}

/** Lets one write follow another. One that has not begun yet is good for all who want one. */
function createSaver(write: () => Promise<void>): { save(): Promise<void>; saveSoon(): Promise<void> } {
  let last: Promise<void> = Promise.resolve()
  let waits = false
  function save(): Promise<void> {
    waits = true
    last = last.then(() => {
      waits = false
      return write()
    })
    // Who waits for it is told; nobody may.
    last.catch(() => undefined)
    return last
  }
  return { save, saveSoon: () => (waits ? last : save()) }
}

/** Calls `save` every hundredth of the time that has passed, within bounds. */
function startSchedule(save: () => void): { close: () => void } {
  const startedAtMs = Date.now()
  let savedAtMs = startedAtMs
  const timer = setInterval(() => {
    const share = (Date.now() - startedAtMs) / 100
    const intervalMs = Math.min(Math.max(share, saveAtMostEveryMs), saveAtLeastEveryMs)
    if (Date.now() - savedAtMs < intervalMs) return
    savedAtMs = Date.now()
    save()
  }, lookEveryMs)
  return { close: () => clearInterval(timer) }
}

function createResults() {
  return {
    lines: 0,
    output: { texts: [] as string[], bytes: 0 },
    errors: { texts: [] as string[], bytes: 0 },
  }
}

function isMuch({ output, errors }: ReturnType<typeof createResults>): boolean {
  return output.bytes + errors.bytes >= mostUnsavedBytes
}

function textsOf({ output, errors }: ReturnType<typeof createResults>): string[] {
  return [...output.texts, ...errors.texts]
}

function addResult(results: ReturnType<typeof createResults>, { file, text }: WrittenResult): void {
  results.lines += 1
  results[file].texts.push(text)
  results[file].bytes += Buffer.byteLength(text)
}

function addUsage({ usage }: BatchState, added: Usage | undefined): void {
  usage.input += added?.inputTokens ?? 0
  usage.output += added?.outputTokens ?? 0
  usage.cached += added?.cacheReadTokens ?? 0
  usage.reasoning += added?.reasoningTokens ?? 0
}

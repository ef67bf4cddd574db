import { hasEnded, type BatchState, type BatchSpec, type InputLine } from '#libs/batches'
import { deriveHex, deriveRunId, GatewayError } from '#libs/core'
import type { StoredBytes } from '#libs/files'
import type { ApiDeps } from '../deps.ts'
import { createBudget } from './budget.ts'
import { carryLine } from './carry-line.ts'
import { batchEndpoints } from './endpoints.ts'
import { getBatchFormat, type LineResult } from './format.ts'
import { LeftBatch, type HeldBatch } from './held-batch.ts'
import { createProgress, type Progress } from './progress.ts'
import { checkInput, MissingInput, readInput } from './read-input.ts'

/** Bodies that are in memory, because their runs are not written down yet. */
const mostWaitingBytes = 16 * 1024 * 1024

/**
 * Carries a batch from wherever it is to its end: reads its input, makes a run of each line, gathers the results and
 * puts them together. Everything that it does may be done again by the next holder. Throws `LeftBatch`.
 */
export async function carryBatch(deps: ApiDeps, held: HeldBatch): Promise<void> {
  const progress = createProgress(deps, held, await deps.batches.lastEntry(held.spec))
  try {
    if (progress.state.status === 'validating') await validate(deps, held, progress)
    if (progress.state.status === 'in_progress') await carryLines(deps, held, progress)
    if (progress.state.status === 'finalizing') await finalize(deps, held, progress)
    if (hasEnded(progress.state)) await close(deps, held, progress.state)
  } finally {
    progress.close()
  }
}

async function validate(deps: ApiDeps, { spec }: HeldBatch, progress: Progress): Promise<void> {
  const { total, problems } = await checkInput(deps, spec).catch(toMissing)
  const now = Date.now()
  await progress.save(
    problems.length === 0
      ? { status: 'in_progress', inProgressAtMs: now, total }
      : { status: 'failed', endedAtMs: now, problems },
  )
}

function toMissing(error: unknown): { total: number; problems: BatchState['problems'] } {
  if (!(error instanceof MissingInput)) throw error
  return { total: 0, problems: [missingInput] }
}

const missingInput = {
  code: 'input_file_not_found',
  message: 'The input file was deleted while it was needed.',
  line: null,
  param: 'input_file_id',
}

async function carryLines(deps: ApiDeps, held: HeldBatch, progress: Progress): Promise<void> {
  const isWhole = await carryEach(deps, held, progress).then(
    () => true,
    (error: unknown) => {
      if (!(error instanceof MissingInput)) throw error
      return false
    },
  )
  const { cancelled, expired } = progress.state.counts
  await progress.save({
    status: 'finalizing',
    finalizingAtMs: Date.now(),
    ending: !isWhole ? 'failed' : expired > 0 ? 'expired' : cancelled > 0 ? 'cancelled' : 'completed',
    ...(!isWhole && { problems: [missingInput] }),
  })
}

/** Has every line that is not done carried, so many at once. Resolves or throws when none is under way any more. */
async function carryEach(deps: ApiDeps, held: HeldBatch, progress: Progress): Promise<void> {
  const inFlight = createBudget(deps.config.batches.inFlight)
  const bodies = createBudget(mostWaitingBytes)
  const carried = new Set<Promise<void>>()
  let failure: unknown
  try {
    for await (const line of readInput(deps, held.spec)) {
      if (progress.isDone(line.number)) continue
      await Promise.all([inFlight.take(), bodies.take(line.bytes), progress.hasRoom()])
      await progress.reserve(line.number)
      held.check()
      if (failure !== undefined) throw failure
      const carrying = carryOne(deps, held, progress, line, () => bodies.give(line.bytes))
        .catch((error: unknown) => void (failure ??= error))
        .finally(() => {
          inFlight.give()
          carried.delete(carrying)
        })
      carried.add(carrying)
    }
  } catch (error) {
    if (error instanceof MissingInput) held.end('cancelled')
    else held.leave()
    failure ??= error
  }
  await Promise.all(carried)
  if (failure !== undefined) throw failure
}

/** Carries one line and notes its result. `onAccepted` is called once, however it goes. */
async function carryOne(
  deps: ApiDeps,
  held: HeldBatch,
  progress: Progress,
  { number, text = '' }: InputLine,
  onAccepted: () => void,
): Promise<void> {
  const { spec } = held
  const format = getBatchFormat(spec.format)
  const id = deriveHex(`${spec.id}/${number}`)
  let isAccepted = false
  const accepted = (): void => {
    if (!isAccepted) onAccepted()
    isAccepted = true
  }
  try {
    const line = format.readLine(text, spec.endpoint)
    const dialect = batchEndpoints.get(spec.endpoint)
    if ('code' in line || dialect === undefined)
      throw new Error(`Line ${number} of batch ${spec.id} changed.`)
    const mayHaveBegun = progress.mayHaveBegun(number)
    const journey = { deps, held, dialect, number, id, line, mayHaveBegun, onAccepted: accepted }
    const result = await carryLine(journey).catch((error: unknown): LineResult => {
      if (error instanceof LeftBatch) throw error
      deps.logger.error(
        { err: error, batch: spec.id, line: number },
        'a line of a batch could not be carried',
      )
      return { outcome: 'failed', error: GatewayError.from(error).toJSON() }
    })
    const { customId } = line
    const written = format.writeResult({ id, customId, endpoint: spec.endpoint, result })
    progress.note(number, result.outcome, written, 'usage' in result ? result.usage : undefined)
    deps.metrics.batchLines({ outcome: result.outcome }).inc()
  } finally {
    accepted()
  }
}

async function finalize(deps: ApiDeps, held: HeldBatch, progress: Progress): Promise<void> {
  const { ending = 'completed' } = progress.state
  const output = await putTogether(deps, held, progress, 'output')
  const errors = await putTogether(deps, held, progress, 'errors')
  await progress.save({
    status: ending,
    endedAtMs: Date.now(),
    ...(output !== undefined && { output }),
    ...(errors !== undefined && { errors }),
  })
}

/** Writes the file of the results; again under the same id, should somebody have come so far before. */
async function putTogether(
  deps: ApiDeps,
  held: HeldBatch,
  progress: Progress,
  which: 'output' | 'errors',
): Promise<StoredBytes | undefined> {
  const { spec } = held
  const { tenant } = spec
  const { finalizingAtMs = spec.createdAtMs } = progress.state
  const id = deriveRunId('file-', `${spec.id}/${which}`, finalizingAtMs)
  const results = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of deps.batches.readResults(spec, progress.entries, which)) {
      held.check()
      yield piece
    }
  }
  const stored = await deps.files.store(tenant, results(), id)
  if (stored.bytes === 0) {
    await deps.files.discard(tenant, id)
    return undefined
  }
  await getBatchFormat(spec.format).keepResults(deps.files, held, stored, which)
  return stored
}

/** Tells of the end before it is settled: whoever closes the batch again tells the same event. */
async function close(deps: ApiDeps, { spec, holder }: HeldBatch, state: BatchState): Promise<void> {
  const { tenant, id } = spec
  const { ending = 'failed', endedAtMs: atMs = Date.now() } = state
  await deps.webhooks.publish([{ tenant, type: `batch.${ending}`, data: { id }, atMs }])
  await deps.batches.close(spec, holder, state)
  await getBatchFormat(spec.format).dropInput(deps.files, spec)
  deps.metrics.batchesEnded({ status: state.status }).inc()
  logEnd(deps, spec, state)
}

function logEnd({ logger }: ApiDeps, { id, tenant }: BatchSpec, { status, counts }: BatchState): void {
  logger.info({ batch: id, tenant, status, counts }, 'a batch has ended')
}

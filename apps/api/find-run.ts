import { GatewayError, isRunId, type RunId } from '#libs/core'
import { getDialect, getStreamDialect, isStreamDialect, type FrameContext } from '#libs/dialects'
import type { FinishedRun, Run, RunEnd, RunSpec } from '#libs/runs'
import { beforeAll, type Cursor } from '#libs/streams'
import type { ApiDeps } from './deps.ts'

/** A run that Redis holds, or one of which only the archive knows. */
export type FoundRun =
  | { source: 'redis'; run: Run }
  | { source: 'archive'; run: Run & { end: RunEnd }; finished: FinishedRun }

/** Finds this tenant's run wherever it is. Throws `response_not_found`, also for one of another tenant. */
export async function findRun(deps: ApiDeps, rid: string, tenant: string): Promise<FoundRun> {
  const found = await lookUp(deps, rid, tenant)
  if (found === undefined || found === 'deleted') throw notFound()
  return found
}

/** The same without throwing; a run that was deleted is known as such while Redis holds it. */
export async function lookUp(
  deps: ApiDeps,
  rid: string,
  tenant: string,
): Promise<FoundRun | 'deleted' | undefined> {
  if (!isRunId(rid)) return undefined
  const found = await read(deps, rid, tenant)
  // Only what a client wanted listed can have got other metadata since.
  if (found === undefined || found === 'deleted' || !found.run.spec.store) return found
  const metadata = await deps.store.metadata(rid, tenant)
  if (metadata !== undefined) found.run.spec = { ...found.run.spec, metadata }
  return found
}

async function read(deps: ApiDeps, rid: RunId, tenant: string): Promise<FoundRun | 'deleted' | undefined> {
  const run = await deps.store.get(rid, tenant)
  if (run === 'deleted') return run
  if (run !== undefined) return { source: 'redis', run }
  const line = await deps.archive.read(rid, tenant)
  if (line === undefined) return undefined
  const finished = JSON.parse(line) as FinishedRun
  return { source: 'archive', run: finished.run, finished }
}

export function notFound(): GatewayError {
  return new GatewayError(
    'response_not_found',
    'There is no such response. It may have been deleted, or never was.',
  )
}

/** The frames of a stream, or the one text of a whole answer; empty for a run that ended without either. */
async function readLog(deps: ApiDeps, found: FoundRun): Promise<string[]> {
  const { spec } = found.run
  if (found.source === 'archive') return splitLog(found.finished.log, spec.stream)
  const payloads = await readPayloads(deps, spec.rid, spec.tenant)
  return payloads.flatMap((payload) => splitLog(payload, spec.stream))
}

async function readPayloads(deps: ApiDeps, rid: RunId, tenant: string): Promise<string[]> {
  const payloads: string[] = []
  let cursor: Cursor = beforeAll
  for (;;) {
    const page = await deps.log.read(rid, tenant, cursor)
    if (page === undefined) return payloads
    for (const entry of page.entries) if (entry.count > 0) payloads.push(entry.payload)
    const last = page.entries.at(-1)
    if (last === undefined || page.complete) return payloads
    cursor = { epoch: last.epoch, seq: last.seq }
  }
}

function splitLog(log: string, isStream: boolean): string[] {
  if (log === '') return []
  return isStream ? log.split('\n') : [log]
}

export function frameContext(spec: RunSpec, request?: string): FrameContext {
  return {
    rid: spec.rid,
    model: spec.model,
    createdAt: Math.floor(spec.createdAtMs / 1000),
    includeUsage: spec.includeUsage,
    ...(request !== undefined && { request }),
  }
}

/** The request as it was accepted, from Redis or from the archive. */
export async function readBody(deps: ApiDeps, found: FoundRun): Promise<string | undefined> {
  if (found.source === 'archive') return found.finished.body
  const { rid, tenant } = found.run.spec
  const body = await deps.store.body(rid)
  if (body !== undefined) return body
  const line = await deps.archive.read(rid, tenant)
  return line === undefined ? undefined : (JSON.parse(line) as FinishedRun).body
}

/**
 * What a non-stream call would have got, or as much of it as was said before the run ended: JSON, or base64 where the
 * end has an `answerType`.
 */
export async function readAnswer(deps: ApiDeps, found: FoundRun): Promise<string> {
  const { spec } = found.run
  const answer = await readSaid(deps, found)
  return spec.store ? (getDialect(spec.dialect).tellMetadata?.(answer, spec.metadata) ?? answer) : answer
}

async function readSaid(deps: ApiDeps, found: FoundRun): Promise<string> {
  const { spec, end } = found.run
  const frames = await readLog(deps, found)
  const [answer] = end?.answerType !== undefined && frames.length === 0 ? [''] : frames
  if (!spec.stream && answer !== undefined) return answer
  const dialect = getDialect(spec.dialect)
  // One that only answers in one piece has said nothing before.
  if (!isStreamDialect(dialect)) return '{}'
  const request = frames.length === 0 ? await readBody(deps, found) : undefined
  const context = frameContext(spec, request)
  const told = frames.length > 0 ? frames : tellUnsaid(context, found.run)
  return dialect.collect(told, context, end?.usage)
}

/** The run as a stream, whether it was one or not. */
export async function readFrames(deps: ApiDeps, found: FoundRun): Promise<string[]> {
  const { spec } = found.run
  const frames = await readLog(deps, found)
  return spec.stream ? frames : tellWhole(found.run, frames[0])
}

/** A run that was not streamed, as a stream; without an answer it tells why there is none. */
export function tellWhole(run: Pick<Run, 'spec' | 'end'>, answer: string | undefined): string[] {
  const context = frameContext(run.spec)
  return answer === undefined
    ? tellUnsaid(context, run)
    : getStreamDialect(run.spec.dialect).toFrames(answer, context)
}

function tellUnsaid(context: FrameContext, { spec, end }: Pick<Run, 'spec' | 'end'>): string[] {
  if (end?.error === undefined) return []
  return getStreamDialect(spec.dialect).errorFrames(end.error, 0, { context, frames: [] })
}

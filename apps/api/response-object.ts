import { openaiResponses } from '#libs/dialects'
import { isEnded, type RunSpec } from '#libs/runs'
import type { ApiDeps } from './deps.ts'
import { findRun, frameContext, notFound, readAnswer, type FoundRun } from './find-run.ts'

/** As {@link findRun}, for runs that are a response: another dialect's has another shape. */
export async function findResponse(deps: ApiDeps, rid: string, tenant: string): Promise<FoundRun> {
  const found = await findRun(deps, rid, tenant)
  if (found.run.spec.dialect !== openaiResponses.name) throw notFound()
  return found
}

/** The response as JSON, whole or with what was said until now. A failed one is an object too, with its error in it. */
export async function toResponseJson(deps: ApiDeps, found: FoundRun): Promise<string> {
  const json = await readAnswer(deps, found)
  const isWaiting = !isEnded(found.run) && found.run.state === 'accepted'
  return isWaiting ? withStatus(json, 'queued') : json
}

/** The response that was accepted a moment ago. */
export function toQueuedJson(spec: RunSpec, body: string): string {
  return withStatus(openaiResponses.collect([], frameContext(spec, body)), 'queued')
}

function withStatus(json: string, status: string): string {
  return JSON.stringify({ ...(JSON.parse(json) as object), status })
}

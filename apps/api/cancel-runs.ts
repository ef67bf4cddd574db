import { GatewayError, isJsonObject } from '#libs/core'
import { isEnded } from '#libs/runs'
import { cancelRun } from './cancel-run.ts'
import type { ApiDeps } from './deps.ts'
import { lookUp, type FoundRun } from './find-run.ts'
import { listRuns } from './list-runs.ts'
import { readAfter } from './list-query.ts'
import { filterNames, readRunFilter } from './run-filter.ts'

/** What became of one of many. A run that is `cancelling` ends a moment later. */
export interface Cancellation {
  id: string
  object: 'job.cancellation'
  result: 'cancelled' | 'cancelling' | 'ended' | 'not_found'
}

const mostIds = 1_000
const cancelledAtOnce = 50

/**
 * Cancels many of a tenant's runs: those with these ids, or those that have not ended and match the filters. Sent again
 * it does no harm, and goes on where it was interrupted.
 */
export async function cancelRuns(deps: ApiDeps, tenant: string, body: unknown): Promise<object> {
  if (!isJsonObject(body)) throw refused('', 'The request body must be a JSON object.')
  const unknown = Object.keys(body).find((name) => ![...filterNames, 'ids', 'after'].includes(name))
  // A filter that was mistyped must not cancel everything.
  if (unknown !== undefined) {
    throw refused(unknown, `A cancel takes ids, or ${filterNames.join(', ')} and after; not ${unknown}.`)
  }
  return 'ids' in body ? cancelNamed(deps, tenant, body) : cancelMatching(deps, tenant, body)
}

async function cancelNamed(deps: ApiDeps, tenant: string, { ids, ...rest }: Record<string, unknown>) {
  const [other] = Object.keys(rest)
  if (other !== undefined) throw refused(other, 'A cancel takes either ids or filters.')
  if (!isIds(ids)) throw refused('ids', `ids is a list of 1 to ${mostIds} ids.`)
  const data = await eachOf([...new Set(ids)], async (id) =>
    toCancellation(deps, id, await lookUp(deps, id, tenant)),
  )
  return { object: 'list', data, has_more: false }
}

async function cancelMatching(deps: ApiDeps, tenant: string, body: Record<string, unknown>) {
  const { after, ...filters } = body
  if (Object.keys(filters).length === 0) {
    throw refused('ids', 'Tell the ids of the runs to cancel, or filters such as status.')
  }
  const { keep, ...range } = readRunFilter(filters, ['queued', 'in_progress'])
  const page = await listRuns(deps, tenant, {
    stored: false,
    order: 'desc',
    limit: mostIds,
    ...range,
    ...readAfter(after),
    keep: (run) => !isEnded(run) && (keep === undefined || keep(run)),
  })
  const data = await eachOf(page.found, (found) => toCancellation(deps, found.run.spec.rid, found))
  return { object: 'list', data, last_id: page.lastId, has_more: page.hasMore }
}

async function toCancellation(
  deps: ApiDeps,
  id: string,
  found: FoundRun | 'deleted' | undefined,
): Promise<Cancellation> {
  const told = (result: Cancellation['result']): Cancellation => ({ id, object: 'job.cancellation', result })
  if (found === undefined || found === 'deleted') return told('not_found')
  if (isEnded(found.run)) return told('ended')
  const results = {
    cancelled: 'cancelled',
    requested: 'cancelling',
    ended: 'ended',
    // Redis held it a moment ago: it has ended, and was archived or deleted.
    unknown: 'ended',
  } as const
  return told(results[await cancelRun(deps, found.run.spec)])
}

function isIds(ids: unknown): ids is string[] {
  return (
    Array.isArray(ids) &&
    ids.length > 0 &&
    ids.length <= mostIds &&
    ids.every((id) => typeof id === 'string' && id !== '' && id.length <= 100)
  )
}

/** Keeps the order of the items. */
async function eachOf<Item, Result>(
  items: readonly Item[],
  act: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  for (let start = 0; start < items.length; start += cancelledAtOnce) {
    results.push(...(await Promise.all(items.slice(start, start + cancelledAtOnce).map(act))))
  }
  return results
}

function refused(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, param === '' ? {} : { param })
}

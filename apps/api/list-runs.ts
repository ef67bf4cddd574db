import type { RunId } from '#libs/core'
import type { Run, RunQuery } from '#libs/runs'
import type { ApiDeps } from './deps.ts'
import { lookUp, type FoundRun } from './find-run.ts'

/** What of a tenant's runs is wanted. */
export interface RunSearch extends RunQuery {
  /** Absent: all of them. */
  keep?: ((run: Run) => boolean) | undefined
}

/**
 * A page of a tenant's runs. `lastId` is where the next page begins: the last of these, or the last that was looked at
 * where the search was given up before the page was full. Only then may `hasMore` turn out to be wrong.
 */
export interface RunPage {
  found: FoundRun[]
  lastId: RunId | null
  hasMore: boolean
}

/** How many runs one search looks at, and for how long: a filter that matches nothing must not read all there is. */
const mostLookedAt = 2_000
const longestSearchMs = 3_000
const lookedAtOnce = 100

/** Finds a page of runs, wherever each of them is; those that are gone are left out. */
export async function listRuns(deps: ApiDeps, tenant: string, search: RunSearch): Promise<RunPage> {
  const { limit, keep = () => true } = search
  const giveUpAtMs = performance.now() + longestSearchMs
  const found: FoundRun[] = []
  const lastFound = (): RunId | null => found.at(-1)?.run.spec.rid ?? null
  let after = search.after
  for (let lookedAt = 0; ;) {
    const size = search.keep === undefined ? limit + 1 : lookedAtOnce
    const { rids, hasMore } = await deps.store.list(tenant, {
      ...search,
      limit: size,
      ...(after !== undefined && { after }),
    })
    for (const run of await Promise.all(rids.map((rid) => lookUp(deps, rid, tenant)))) {
      if (run === undefined || run === 'deleted' || !keep(run.run)) continue
      if (found.length === limit) return { found, lastId: lastFound(), hasMore: true }
      found.push(run)
    }
    if (!hasMore) return { found, lastId: lastFound(), hasMore }
    after = rids.at(-1)
    lookedAt += rids.length
    if (lookedAt >= mostLookedAt || performance.now() >= giveUpAtMs) {
      return { found, lastId: after ?? null, hasMore }
    }
  }
}

import type { FastifyInstance } from 'fastify'
import type { Dialect } from '#libs/dialects'
import type { ApiDeps } from './deps.ts'
import { readAnswer } from './find-run.ts'
import { readListQuery } from './list-query.ts'
import { listRuns } from './list-runs.ts'
import { readRunFilter, toFilterFields } from './run-filter.ts'

/** Lists the answers of a dialect that are complete and were asked for with `store: true`. */
export function answerList(app: FastifyInstance, deps: ApiDeps, path: string, dialect: Dialect): void {
  app.get<{ Querystring: Record<string, unknown> }>(path, { config: { dialect } }, async (request) => {
    const { keep, ...range } = readRunFilter(pickFilters(request.query))
    const page = await listRuns(deps, request.caller.tenant, {
      ...readListQuery(request.query),
      ...range,
      stored: true,
      keep: (run) =>
        run.spec.dialect === dialect.name &&
        run.end?.outcome === 'completed' &&
        (keep === undefined || keep(run)),
    })
    const data = await Promise.all(
      page.found.map(async (found) => JSON.parse(await readAnswer(deps, found)) as { id: string }),
    )
    return {
      object: 'list',
      data,
      first_id: data[0]?.id ?? null,
      last_id: page.lastId,
      has_more: page.hasMore,
    }
  })
}

/** As OpenAI has them: all that is listed has completed, at one endpoint. */
function pickFilters(query: Record<string, unknown>): Record<string, unknown> {
  const { model, metadata } = toFilterFields(query)
  return { model, metadata }
}

import type { FastifyInstance } from 'fastify'
import type { Dialect } from '#libs/dialects'
import type { ApiDeps } from './deps.ts'
import { listRuns, readAnswer } from './find-run.ts'
import { readListQuery } from './list-query.ts'

/** Lists the answers of a dialect that are complete and were asked for with `store: true`. */
export function answerList(app: FastifyInstance, deps: ApiDeps, path: string, dialect: Dialect): void {
  app.get<{ Querystring: Record<string, unknown> }>(path, { config: { dialect } }, async (request) => {
    const query = readListQuery(request.query)
    const page = await listRuns(deps, request.caller.tenant, { ...query, stored: true })
    const completed = page.found.filter(
      ({ run }) => run.spec.dialect === dialect.name && run.end?.outcome === 'completed',
    )
    const data = await Promise.all(
      completed.map(async (found) => JSON.parse(await readAnswer(deps, found)) as { id: string }),
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

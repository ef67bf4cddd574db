import type { FastifyInstance } from 'fastify'
import type { Dialect } from '#libs/dialects'
import { isEnded, type Run } from '#libs/runs'
import { cancelRun } from './cancel-run.ts'
import { awaitEnd } from './create-run.ts'
import { readCursor } from './cursor.ts'
import { deleteRun } from './delete-run.ts'
import type { ApiDeps } from './deps.ts'
import { findRun, notFound, type FoundRun } from './find-run.ts'
import { sendEnded, streamFound } from './send-run.ts'

/** How long a cancel waits for the worker to end the run, so that it can answer with what was said. */
const cancelWaitMs = 5_000

export interface RunResource {
  dialect: Dialect
  /** A run that has not ended, in the dialect's own shape. */
  toUnfinished: (run: Run) => object
  toDeleted: (id: string) => object
}

interface ById {
  Params: { id: string }
  Querystring: Record<string, unknown>
}

/** What makes each run of a dialect a resource: read it again, stream it again, cancel it, delete it. */
export function runResource(app: FastifyInstance, deps: ApiDeps, path: string, resource: RunResource): void {
  const { dialect, toUnfinished, toDeleted } = resource
  const config = { dialect }

  async function find(id: string, tenant: string): Promise<FoundRun> {
    const found = await findRun(deps, id, tenant)
    if (found.run.spec.dialect !== dialect.name) throw notFound()
    return found
  }

  app.get<ById>(`${path}/:id`, { config }, async (request, reply) => {
    const found = await find(request.params.id, request.caller.tenant)
    const cursor = readCursor(request)
    if (cursor !== undefined) return streamFound(deps, found, cursor, reply)
    if (isEnded(found.run)) return sendEnded(deps, found, reply)
    return reply.code(202).header('retry-after', '1').send(toUnfinished(found.run))
  })

  app.post<ById>(`${path}/:id/cancel`, { config }, async (request, reply) => {
    const { tenant } = request.caller
    const { run } = await find(request.params.id, tenant)
    if (!isEnded(run)) {
      await cancelRun(deps, run.spec)
      await awaitEnd(deps, run.spec.rid, tenant, cancelWaitMs)
    }
    const after = await find(request.params.id, tenant)
    return isEnded(after.run) ? sendEnded(deps, after, reply) : reply.code(202).send(toUnfinished(after.run))
  })

  app.delete<ById>(`${path}/:id`, { config }, async (request) => {
    const { id } = request.params
    await find(id, request.caller.tenant)
    await deleteRun(deps, id, request.caller.tenant)
    return toDeleted(id)
  })
}

/** The words of our own that tell how far a run is, in resources whose vendor has none. */
export function unfinishedStatus({ state }: Run): 'queued' | 'in_progress' {
  return state === 'accepted' ? 'queued' : 'in_progress'
}

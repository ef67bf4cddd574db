import type { FastifyInstance } from 'fastify'
import { GatewayError } from '#libs/core'
import { isEnded } from '#libs/runs'
import { awaitEnd } from '../create-run.ts'
import { cancelRun } from '../cancel-run.ts'
import { cancelRuns } from '../cancel-runs.ts'
import { readCursor } from '../cursor.ts'
import { deleteRun } from '../delete-run.ts'
import type { ApiDeps } from '../deps.ts'
import { findRun } from '../find-run.ts'
import { toJob, toListedJob } from '../job-resource.ts'
import { readListQuery } from '../list-query.ts'
import { listRuns } from '../list-runs.ts'
import { readPrefer } from '../prefer.ts'
import { readRunFilter, toFilterFields } from '../run-filter.ts'
import { sendEnded, streamFound } from '../send-run.ts'

const path = '/jobs'
const cancelWaitMs = 5_000

interface ById {
  Params: { id: string }
  Querystring: Record<string, unknown>
}

/** Every run as a job: submitted by any POST with `Prefer: respond-async`, whatever its dialect. */
export function jobs(app: FastifyInstance, deps: ApiDeps): void {
  app.get<{ Querystring: Record<string, unknown> }>(path, async (request) => {
    const query = { order: 'desc', ...request.query }
    const page = await listRuns(deps, request.caller.tenant, {
      ...readListQuery(query),
      ...readRunFilter(toFilterFields(query)),
      stored: false,
    })
    const jobs = page.found.map(({ run }) => toListedJob(run))
    return {
      object: 'list',
      data: jobs,
      first_id: jobs[0]?.id ?? null,
      last_id: page.lastId,
      has_more: page.hasMore,
    }
  })

  app.post(`${path}/cancel`, (request) => cancelRuns(deps, request.caller.tenant, request.body))

  app.get<ById>(`${path}/:id`, async (request, reply) => {
    const { tenant } = request.caller
    const found = await findRun(deps, request.params.id, tenant)
    const { waitMs } = readPrefer(request.headers.prefer)
    if (isEnded(found.run)) return toJob(deps, found)
    if (waitMs > 0) await awaitEnd(deps, found.run.spec.rid, tenant, waitMs)
    const job = await toJob(deps, waitMs > 0 ? await findRun(deps, request.params.id, tenant) : found)
    if (job.completed_at === null) reply.header('retry-after', '1')
    return job
  })

  app.get<ById>(`${path}/:id/result`, async (request, reply) => {
    const found = await findRun(deps, request.params.id, request.caller.tenant)
    if (isEnded(found.run)) return sendEnded(deps, found, reply)
    throw new GatewayError('not_ended', 'The job has not ended yet: its result is not there.', {
      retryAfterMs: 1_000,
    })
  })

  app.get<ById>(`${path}/:id/events`, async (request, reply) => {
    const found = await findRun(deps, request.params.id, request.caller.tenant)
    const cursor = readCursor({ headers: request.headers, query: { stream: 'true', ...request.query } })
    return streamFound(deps, found, cursor ?? { after: -1, isReconnect: false }, reply)
  })

  app.post<ById>(`${path}/:id/cancel`, async (request) => {
    const { tenant } = request.caller
    const found = await findRun(deps, request.params.id, tenant)
    if (!isEnded(found.run)) {
      await cancelRun(deps, found.run.spec)
      await awaitEnd(deps, found.run.spec.rid, tenant, cancelWaitMs)
    }
    return toJob(deps, await findRun(deps, request.params.id, tenant))
  })

  app.delete<ById>(`${path}/:id`, async (request) => {
    const { id } = request.params
    await deleteRun(deps, id, request.caller.tenant)
    return { id, object: 'job.deleted', deleted: true }
  })
}

import type { FastifyInstance } from 'fastify'
import { openaiChat } from '#libs/dialects'
import { isEnded, type Run } from '#libs/runs'
import { awaitEnd, createRun } from '../create-run.ts'
import { cancelRun } from '../cancel-run.ts'
import { readCursor } from '../cursor.ts'
import type { ApiDeps } from '../deps.ts'
import { deleteRun } from '../delete-run.ts'
import { findRun, listRuns, readAnswer } from '../find-run.ts'
import { readListQuery } from '../list-query.ts'
import { sendEnded, streamFound } from '../send-run.ts'

const path = '/v1/chat/completions'
/** How long a cancel waits for the worker to end the run, so that it can answer with what was said. */
const cancelWaitMs = 5_000

interface ById {
  Params: { id: string }
  Querystring: Record<string, unknown>
}

/** OpenAI's Chat Completions, and what makes each of them a resource that can be read again. */
export function chatCompletions(app: FastifyInstance, deps: ApiDeps): void {
  app.post(path, (request, reply) => createRun(deps, openaiChat, request, reply))

  app.get<{ Querystring: Record<string, unknown> }>(path, async (request) => {
    const query = readListQuery(request.query)
    const page = await listRuns(deps, request.caller.tenant, { ...query, stored: true })
    const completed = page.found.filter(({ run }) => run.end?.outcome === 'completed')
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

  app.get<ById>(`${path}/:id`, async (request, reply) => {
    const found = await findRun(deps, request.params.id, request.caller.tenant)
    const cursor = readCursor(request)
    if (cursor !== undefined) return streamFound(deps, found, cursor, reply)
    if (isEnded(found.run)) return sendEnded(deps, found, reply)
    return reply.code(202).header('retry-after', '1').send(toUnfinished(found.run))
  })

  app.post<ById>(`${path}/:id/cancel`, async (request, reply) => {
    const { tenant } = request.caller
    const found = await findRun(deps, request.params.id, tenant)
    if (!isEnded(found.run)) {
      await cancelRun(deps, found.run.spec)
      await awaitEnd(deps, found.run.spec.rid, tenant, cancelWaitMs)
    }
    const after = await findRun(deps, request.params.id, tenant)
    return isEnded(after.run) ? sendEnded(deps, after, reply) : reply.code(202).send(toUnfinished(after.run))
  })

  app.delete<ById>(`${path}/:id`, async (request) => {
    const { id } = request.params
    await deleteRun(deps, id, request.caller.tenant)
    return { id, object: 'chat.completion.deleted', deleted: true }
  })
}

function toUnfinished({ spec, state }: Run): Record<string, unknown> {
  return {
    id: spec.rid,
    object: 'chat.completion',
    created: Math.floor(spec.createdAtMs / 1000),
    model: spec.model,
    status: state === 'accepted' ? 'queued' : 'in_progress',
    choices: [],
    metadata: spec.metadata,
  }
}

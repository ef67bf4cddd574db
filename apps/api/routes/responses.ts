import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { estimateResponsesTokens, openaiResponses, toInputItems } from '#libs/dialects'
import { isEnded } from '#libs/runs'
import { cancelRun } from '../cancel-run.ts'
import { withConversation } from '../conversation.ts'
import { answerRun, awaitEnd, resumeRun, tellOn, toSubmission } from '../create-run.ts'
import { readCursor, readLastEventId } from '../cursor.ts'
import { deleteRun } from '../delete-run.ts'
import type { ApiDeps } from '../deps.ts'
import { notFound, readBody, type FoundRun } from '../find-run.ts'
import { toPage } from '../input-items.ts'
import { prepareResponse } from '../prepare-response.ts'
import { findResponse, toQueuedJson, toResponseJson } from '../response-object.ts'
import { tellRun } from '../response-headers.ts'
import { streamFound } from '../send-run.ts'
import { accept, type Prepared } from '../submit.ts'

const path = '/responses'
/** How long a cancel waits for the worker to end the run, so that it can answer with what was said. */
const cancelWaitMs = 5_000

interface ById {
  Params: { id: string }
  Querystring: Record<string, unknown>
}

/** OpenAI's Responses: each is a resource, streamed as often as wanted, and continued by the next. */
export function responses(app: FastifyInstance, deps: ApiDeps): void {
  app.post(path, (request, reply) => create(deps, request, reply))

  app.post(`${path}/input_tokens`, async (request) => {
    const json = await withConversation(deps, request.bodyText, request.caller.tenant)
    return { object: 'response.input_tokens', input_tokens: estimateResponsesTokens(json) }
  })

  app.get<ById>(`${path}/:id`, async (request, reply) => {
    const found = await findResponse(deps, request.params.id, request.caller.tenant)
    const cursor = readCursor(request)
    return cursor === undefined ? sendResponse(deps, found, reply) : streamFound(deps, found, cursor, reply)
  })

  app.post<ById>(`${path}/:id/cancel`, async (request, reply) => {
    const { tenant } = request.caller
    const found = await findResponse(deps, request.params.id, tenant)
    if (isEnded(found.run)) return sendResponse(deps, found, reply)
    await cancelRun(deps, found.run.spec)
    await awaitEnd(deps, found.run.spec.rid, tenant, cancelWaitMs)
    return sendResponse(deps, await findResponse(deps, request.params.id, tenant), reply)
  })

  app.delete<ById>(`${path}/:id`, async (request) => {
    const { id } = request.params
    const { run } = await findResponse(deps, id, request.caller.tenant)
    await deleteRun(deps, run.spec.rid, request.caller.tenant)
    return { id, object: 'response', deleted: true }
  })

  app.get<ById>(`${path}/:id/input_items`, async (request) => {
    const found = await findResponse(deps, request.params.id, request.caller.tenant)
    const body = await readBody(deps, found)
    if (body === undefined) throw notFound()
    return toPage(toInputItems(body, found.run.spec.rid), request.query)
  })
}

async function create(deps: ApiDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const resumed = readLastEventId(request.headers['last-event-id'])
  if (resumed !== undefined) return resumeRun(deps, resumed, request, reply)
  const prepared = await prepareResponse(deps, toSubmission(openaiResponses, request))
  const { background, stream } = request.body as Record<string, unknown>
  return background === true && stream !== true
    ? answerQueued(deps, prepared, reply)
    : answerRun(deps, prepared, request, reply)
}

async function answerQueued(deps: ApiDeps, prepared: Prepared, reply: FastifyReply): Promise<FastifyReply> {
  const { spec, json } = prepared
  const rid = await accept(deps, { ...prepared, tell: tellOn(reply) }, '')
  if (rid === spec.rid) return sendJson(toQueuedJson(spec, json), tellRun(reply, spec))
  reply.header('idempotent-replayed', 'true')
  return sendResponse(deps, await findResponse(deps, rid, spec.tenant), reply)
}

async function sendResponse(deps: ApiDeps, found: FoundRun, reply: FastifyReply): Promise<FastifyReply> {
  const { spec, end } = found.run
  tellRun(reply, spec, end)
  return sendJson(await toResponseJson(deps, found), reply)
}

function sendJson(json: string, reply: FastifyReply): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(json)
}

import type { FastifyInstance } from 'fastify'
import { GatewayError, isJsonObject } from '#libs/core'
import { openaiChat, readMetadata, toStoredMessages } from '#libs/dialects'
import { isEnded, type Run } from '#libs/runs'
import { answerList } from '../answer-list.ts'
import { createRun } from '../create-run.ts'
import type { ApiDeps } from '../deps.ts'
import { findRun, notFound, readBody, type FoundRun } from '../find-run.ts'
import { toPage } from '../input-items.ts'
import { runResource, unfinishedStatus } from '../run-resource.ts'
import { sendEnded } from '../send-run.ts'

const path = '/chat/completions'

interface ById {
  Params: { id: string }
  Querystring: Record<string, unknown>
}

/** OpenAI's Chat Completions, and what makes each of them a resource that can be read again. */
export function chatCompletions(app: FastifyInstance, deps: ApiDeps): void {
  app.post(path, { config: { dialect: openaiChat } }, (request, reply) =>
    createRun(deps, openaiChat, request, reply),
  )
  answerList(app, deps, path, openaiChat)
  runResource(app, deps, path, {
    dialect: openaiChat,
    toUnfinished,
    toDeleted: (id) => ({ id, object: 'chat.completion.deleted', deleted: true }),
  })

  app.post<ById>(`${path}/:id`, { config: { dialect: openaiChat } }, async (request, reply) => {
    const { tenant } = request.caller
    const { run } = await findChat(deps, request.params.id, tenant)
    const metadata = readChange(request.body)
    if (!run.spec.store) {
      throw new GatewayError('invalid_request', 'Only what was asked for with store: true can be changed.')
    }
    await deps.store.setMetadata(run.spec.rid, tenant, metadata)
    const changed = await findChat(deps, request.params.id, tenant)
    if (isEnded(changed.run)) return sendEnded(deps, changed, reply)
    return reply.code(202).header('retry-after', '1').send(toUnfinished(changed.run))
  })

  app.get<ById>(`${path}/:id/messages`, { config: { dialect: openaiChat } }, async (request) => {
    const found = await findChat(deps, request.params.id, request.caller.tenant)
    const body = await readBody(deps, found)
    if (body === undefined) throw notFound()
    return toPage(toStoredMessages(body, found.run.spec.rid), { order: 'asc', ...request.query })
  })
}

async function findChat(deps: ApiDeps, id: string, tenant: string): Promise<FoundRun> {
  const found = await findRun(deps, id, tenant)
  if (found.run.spec.dialect !== openaiChat.name) throw notFound()
  return found
}

/** As with OpenAI, nothing but the metadata of an answer can be changed; null takes all of it away. */
function readChange(body: unknown): Record<string, string> {
  if (!isJsonObject(body) || body.metadata === undefined) {
    throw new GatewayError('invalid_request', "Missing required parameter: 'metadata'.", {
      param: 'metadata',
    })
  }
  return readMetadata(body.metadata)
}

function toUnfinished(run: Run): object {
  const { spec } = run
  return {
    id: spec.rid,
    object: 'chat.completion',
    created: Math.floor(spec.createdAtMs / 1000),
    model: spec.model,
    status: unfinishedStatus(run),
    choices: [],
    metadata: spec.metadata,
  }
}

import type { FastifyInstance } from 'fastify'
import { openaiChat } from '#libs/dialects'
import type { Run } from '#libs/runs'
import { createRun } from '../create-run.ts'
import type { ApiDeps } from '../deps.ts'
import { listRuns, readAnswer } from '../find-run.ts'
import { readListQuery } from '../list-query.ts'
import { runResource, unfinishedStatus } from '../run-resource.ts'

const path = '/v1/chat/completions'

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

  runResource(app, deps, path, {
    dialect: openaiChat,
    toUnfinished,
    toDeleted: (id) => ({ id, object: 'chat.completion.deleted', deleted: true }),
  })
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

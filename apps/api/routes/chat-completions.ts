import type { FastifyInstance } from 'fastify'
import { openaiChat } from '#libs/dialects'
import type { Run } from '#libs/runs'
import { answerList } from '../answer-list.ts'
import { createRun } from '../create-run.ts'
import type { ApiDeps } from '../deps.ts'
import { runResource, unfinishedStatus } from '../run-resource.ts'

const path = '/chat/completions'

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

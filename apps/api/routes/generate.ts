import type { FastifyInstance } from 'fastify'
import { unifiedBlocks } from '#libs/dialects'
import type { Run } from '#libs/runs'
import { answerList } from '../answer-list.ts'
import { createRun } from '../create-run.ts'
import type { ApiDeps } from '../deps.ts'
import { frameContext } from '../find-run.ts'
import { runResource, unfinishedStatus } from '../run-resource.ts'

const path = '/generate'

/** The gateway's own dialect, and what makes each of its answers a resource. */
export function generate(app: FastifyInstance, deps: ApiDeps): void {
  app.post(path, { config: { dialect: unifiedBlocks } }, (request, reply) =>
    createRun(deps, unifiedBlocks, request, reply),
  )
  answerList(app, deps, path, unifiedBlocks)
  runResource(app, deps, path, {
    dialect: unifiedBlocks,
    toUnfinished,
    toDeleted: (id) => ({ id, type: 'deleted' }),
  })
}

function toUnfinished(run: Run): object {
  const answer = unifiedBlocks.collect([], frameContext(run.spec))
  return { ...(JSON.parse(answer) as object), type: 'run', status: unfinishedStatus(run) }
}

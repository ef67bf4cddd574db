import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { anthropicMessages, anthropicTokenCount, estimateAnthropicTokens } from '#libs/dialects'
import { findProviderSpec } from '#libs/providers'
import type { Run } from '#libs/runs'
import { createRun } from '../create-run.ts'
import { checkModel } from '../caller-limits.ts'
import type { ApiDeps } from '../deps.ts'
import { frameContext } from '../find-run.ts'
import { runResource, unfinishedStatus } from '../run-resource.ts'

const path = '/messages'
const countPath = `${path}/count_tokens`

/** Anthropic's Messages, and what makes each of them a resource that can be read again. */
export function messages(app: FastifyInstance, deps: ApiDeps): void {
  app.post(path, { config: { dialect: anthropicMessages } }, (request, reply) =>
    createRun(deps, anthropicMessages, request, reply),
  )
  runResource(app, deps, path, {
    dialect: anthropicMessages,
    toUnfinished,
    toDeleted: (id) => ({ id, type: 'message_deleted' }),
  })

  app.post(countPath, { config: { dialect: anthropicTokenCount } }, (request, reply) =>
    countTokens(deps, request, reply),
  )
  runResource(app, deps, countPath, {
    dialect: anthropicTokenCount,
    toUnfinished: (run) => ({ id: run.spec.rid, status: unfinishedStatus(run) }),
    toDeleted: (id) => ({ id, type: 'token_count_deleted' }),
  })
}

/** A provider that can count is asked, by a run as for any answer; for the others it is estimated, and said so. */
async function countTokens(
  deps: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { model } = anthropicTokenCount.readRequest(request.body)
  checkModel(deps, request.caller, model)
  const target = deps.router.choose(model)
  const provider = deps.config.providers.find(({ name }) => name === target.provider)
  const route = findProviderSpec(provider?.type ?? '')?.native[anthropicTokenCount.name]
  if (route?.({ model: target.model, stream: false, options: provider?.options ?? {} }) !== undefined) {
    // Named by its target, since a virtual model may lead to another provider the next time.
    const path = { model: `${target.provider}/${target.model}`, stream: false, asked: model }
    return createRun(deps, anthropicTokenCount, request, reply, path)
  }
  return reply
    .header('x-millrace-token-count', 'estimate')
    .send({ input_tokens: estimateAnthropicTokens(request.body) })
}

/** An answer of which nothing is there yet, under a word that no complete one carries. */
function toUnfinished(run: Run): object {
  const message = anthropicMessages.collect([], frameContext(run.spec))
  return { ...(JSON.parse(message) as object), status: unfinishedStatus(run) }
}

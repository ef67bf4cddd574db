import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '#libs/core'
import { estimateGeminiTokens, gemini, geminiTokenCount } from '#libs/dialects'
import { findProviderSpec } from '#libs/providers'
import { createRun } from '../create-run.ts'
import { checkModel } from '../caller-limits.ts'
import type { ApiDeps } from '../deps.ts'

interface Call {
  Params: { '*': string }
  Querystring: Record<string, unknown>
}

/**
 * Google's `models/MODEL:METHOD`. A run is read again as a job, `/v1/jobs/{id}/events?starting_after=N` for a stream:
 * N counts its events from 0, since Google's clients bear no ids on them.
 */
export function geminiModels(scope: FastifyInstance, deps: ApiDeps): void {
  scope.post<Call>('/models/*', { config: { dialect: gemini } }, (request, reply) => {
    return call(deps, readPath(request.params['*']), request, reply)
  })
}

/** A model whose name holds a slash may be asked for without `models/`, as the AI SDK does: `provider/model:METHOD`. */
export function geminiSlashModels(scope: FastifyInstance, deps: ApiDeps): void {
  const config = { dialect: gemini }
  scope.post<Call & { Params: { provider: string } }>('/:provider/*', { config }, (request, reply) => {
    const { provider, '*': rest } = request.params
    return call(deps, readPath(`${provider}/${rest}`), request, reply)
  })
}

function readPath(target: string): { model: string; method: string } {
  const at = target.lastIndexOf(':')
  return { model: target.slice(0, Math.max(at, 0)), method: target.slice(at + 1) }
}

async function call(
  deps: ApiDeps,
  { model, method }: { model: string; method: string },
  request: FastifyRequest<Call>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  switch (method) {
    case 'generateContent':
      return createRun(deps, gemini, request, reply, { model, stream: false })
    case 'streamGenerateContent':
      if (request.query.alt === 'sse') return createRun(deps, gemini, request, reply, { model, stream: true })
      throw new GatewayError(
        'invalid_request',
        'Streams come as server-sent events here: add ?alt=sse to the URL.',
        { param: 'alt' },
      )
    case 'countTokens':
      return countTokens(deps, model, request, reply)
    case 'embedContent':
    case 'batchEmbedContents':
      throw new GatewayError(
        'invalid_request',
        `There are no embeddings here yet, so ${method} has no answer.`,
        { status: 501 },
      )
    default:
      throw new GatewayError(
        'route_not_found',
        'There is no such method of a model: call generateContent, streamGenerateContent or countTokens.',
      )
  }
}

/** A provider that can count is asked, by a run as for any answer; for the others it is estimated, and said so. */
async function countTokens(
  deps: ApiDeps,
  model: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  checkModel(deps, request.caller, model)
  const target = deps.router.choose(model)
  const provider = deps.config.providers.find(({ name }) => name === target.provider)
  const route = findProviderSpec(provider?.type ?? '')?.native[geminiTokenCount.name]
  if (route?.({ model: target.model, stream: false, options: provider?.options ?? {} }) !== undefined) {
    // Named by its target, since a virtual model might lead to another provider the next time.
    const path = { model: `${target.provider}/${target.model}`, stream: false, asked: model }
    return createRun(deps, geminiTokenCount, request, reply, path)
  }
  return reply
    .header('x-millrace-token-count', 'estimate')
    .send({ totalTokens: estimateGeminiTokens(request.body) })
}

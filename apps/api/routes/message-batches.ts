import type { FastifyInstance } from 'fastify'
import { hasEnded, initialState, type BatchSpec, type BatchState } from '#libs/batches'
import { createResourceId, GatewayError } from '#libs/core'
import { anthropicMessages } from '#libs/dialects'
import type { Caller } from '../authenticate.ts'
import { anthropicFormat } from '../batches/anthropic-format.ts'
import { toMessageBatch } from '../batches/batch-object.ts'
import { findBatch, pickForwarded } from '../batches/find-batch.ts'
import { receiveRequests, type ReceivedRequests } from '../batches/receive-requests.ts'
import type { ApiDeps } from '../deps.ts'
import { sendContent } from '../files/send-content.ts'
import { readAnthropicQuery, toResourcePage } from '../resource-list.ts'
import { refuseWhenDraining } from '../submit.ts'
import { takeBodiesUnread } from '../unread-bodies.ts'

const path = '/messages/batches'
const kind = 'msgbatch_'
const config = { dialect: anthropicMessages }

interface ById {
  Params: { id: string }
}

/** Anthropic's Message Batches: the requests come in one body, and each becomes a run in the batch lane. */
export function messageBatches(app: FastifyInstance, deps: ApiDeps): void {
  app.register(async (scope) => {
    takeBodiesUnread(scope, 'application/json')
    scope.post(path, { config }, async ({ raw, caller, headers }) => {
      refuseWhenDraining(deps)
      deps.admission.check()
      const received = await receiveRequests(deps, raw, caller.tenant)
      const spec = toSpec(deps, caller, headers, received)
      const { total } = received
      const state: BatchState = {
        ...initialState(),
        status: 'in_progress',
        total,
        inProgressAtMs: spec.createdAtMs,
      }
      await deps.batches.create(spec, state)
      return toMessageBatch({ spec, state, cancelAtMs: undefined })
    })
  })

  app.get<{ Querystring: Record<string, unknown> }>(path, { config }, async ({ query, caller }) => {
    const asked = readAnthropicQuery(kind, query)
    return toResourcePage(
      await deps.batches.list(caller.tenant, { ...asked, idPrefix: kind }),
      toMessageBatch,
    )
  })

  app.get<ById>(`${path}/:id`, { config }, async ({ params, caller }) => {
    return toMessageBatch(await findBatch(deps, kind, caller.tenant, params.id))
  })

  app.get<ById>(`${path}/:id/results`, { config }, async ({ params, caller }, reply) => {
    const { tenant } = caller
    const { spec, state } = await findBatch(deps, kind, tenant, params.id)
    if (!hasEnded(state)) throw notEnded('Its results are there when it has ended.')
    const { output = { id: '', bytes: 0, sha256: '' } } = state
    return sendContent(reply, {
      ...output,
      filename: `${spec.id}_results.jsonl`,
      type: 'application/x-jsonl',
      read: (range) => deps.files.read(tenant, output.id, range),
    })
  })

  app.post<ById>(`${path}/:id/cancel`, { config }, async ({ params, caller }) => {
    const { spec, state } = await findBatch(deps, kind, caller.tenant, params.id)
    if (!hasEnded(state)) await deps.batches.cancel(spec)
    return toMessageBatch(await findBatch(deps, kind, caller.tenant, params.id))
  })

  app.delete<ById>(`${path}/:id`, { config }, async ({ params, caller }) => {
    const { spec, state } = await findBatch(deps, kind, caller.tenant, params.id)
    if (!hasEnded(state)) throw notEnded('Cancel it first, or wait for its end.')
    if (state.output !== undefined) await deps.files.discard(spec.tenant, state.output.id)
    await deps.batches.delete(spec)
    return { id: spec.id, type: 'message_batch_deleted' }
  })
}

function toSpec(
  deps: ApiDeps,
  caller: Caller,
  headers: Readonly<Record<string, unknown>>,
  { stored }: ReceivedRequests,
): BatchSpec {
  const createdAtMs = Date.now()
  return {
    id: createResourceId(kind),
    tenant: caller.tenant,
    ...(caller.keyName !== undefined && { keyName: caller.keyName }),
    format: anthropicFormat.name,
    endpoint: '/v1/messages',
    input: { id: stored.id, bytes: stored.bytes },
    completionWindow: '',
    metadata: null,
    headers: pickForwarded(headers, anthropicMessages.forwardedHeaders),
    createdAtMs,
    expiresAtMs: createdAtMs + deps.config.batches.expireAfterMs,
  }
}

function notEnded(message: string): GatewayError {
  return new GatewayError('not_ended', `The batch has not ended. ${message}`)
}

import type { FastifyReply } from 'fastify'
import { GatewayError } from '#libs/core'
import { getDialect, getStreamDialect } from '#libs/dialects'
import { isEnded, type RunEnd, type RunSpec } from '#libs/runs'
import { cancelRun } from './cancel-run.ts'
import type { ClientCursor } from './cursor.ts'
import type { EndedRun } from './deliver-json.ts'
import { deliverSse, type SseDelivery } from './deliver-sse.ts'
import type { ApiDeps } from './deps.ts'
import { sendError } from './error-handler.ts'
import { notFound, readAnswer, type FoundRun } from './find-run.ts'
import { followFound } from './follow.ts'
import { streamHeaders, tellRun } from './response-headers.ts'

/** Begins to deliver a run as a stream on this reply, which Fastify then leaves alone. */
export function openStream(
  deps: ApiDeps,
  spec: RunSpec,
  reply: FastifyReply,
  { cursor, onLeave }: { cursor: ClientCursor; onLeave?: () => void },
): SseDelivery {
  return deliverSse({
    spec,
    dialect: getStreamDialect(spec.dialect),
    response: reply.raw,
    // Some are known only when the run is accepted.
    get headers() {
      return reply.getHeaders() as Record<string, string>
    },
    toStreamHeaders: (opening) => streamHeaders(reply, spec, opening),
    acceptsEvents: acceptsEvents(reply),
    after: cursor.after,
    isReconnect: cursor.isReconnect,
    openStreams: deps.openStreams,
    fail: (end) => void sendFailure(reply, spec, end),
    onLost: (error) => void sendError(reply, error === undefined ? notFound() : GatewayError.from(error)),
    onLeave,
  })
}

/** The client that asked for the run left, and we did not close: the run goes on, unless it was to be cancelled then. */
export function leaveRun(deps: ApiDeps, spec: RunSpec): void {
  if (spec.onDisconnect === 'continue' || deps.isDraining) return
  cancelRun(deps, spec).catch((error: unknown) => {
    deps.logger.error(
      { err: GatewayError.from(error), rid: spec.rid },
      'a run whose client left could not be cancelled',
    )
  })
}

/** Streams a run that exists, from the client's cursor on: live, or from where it is kept. */
export function streamFound(
  deps: ApiDeps,
  found: FoundRun,
  cursor: ClientCursor,
  reply: FastifyReply,
): FastifyReply {
  const { spec } = found.run
  if (cursor.after >= 0 || cursor.isReconnect) deps.metrics.streamResumes({}).inc()
  const delivery = openStream(deps, spec, reply, { cursor })
  followFound(deps, found, cursor.after, delivery)
  delivery.start()
  return reply
}

function acceptsEvents({ request }: FastifyReply): boolean {
  return request.headers.accept?.includes('text/event-stream') === true
}

/** The answer of a run that has ended, as a call that waited for it would have got it. */
export async function sendEnded(deps: ApiDeps, found: FoundRun, reply: FastifyReply): Promise<FastifyReply> {
  const { run } = found
  if (!isEnded(run)) throw new TypeError(`Run ${run.spec.rid} has not ended.`)
  const { spec, end } = run
  if (end.outcome === 'failed') return sendFailure(reply, spec, end)
  const answer = await readAnswer(deps, found)
  const told = end.outcome === 'cancelled' ? markCancelled(answer) : answer
  return sendAnswer(reply, spec, { end, answer: told })
}

/** A whole answer, as JSON or under the type that its provider gave it. */
export function sendAnswer(reply: FastifyReply, spec: RunSpec, { end, answer }: EndedRun): FastifyReply {
  tellRun(reply, spec, end)
  if (end.answerType === undefined) return reply.type('application/json; charset=utf-8').send(answer)
  return reply
    .headers({ 'content-type': end.answerType, 'x-content-type-options': 'nosniff' })
    .send(Buffer.from(answer, 'base64'))
}

/** What was said before the cancel, under a word that no complete answer carries. */
function markCancelled(answer: string): string {
  return JSON.stringify({ ...(JSON.parse(answer) as object), status: 'cancelled' })
}

export function sendFailure(reply: FastifyReply, spec: RunSpec, end: RunEnd): FastifyReply {
  tellRun(reply, spec, end)
  const error =
    end.error === undefined
      ? new GatewayError('internal_error', 'The run failed.')
      : GatewayError.fromJSON(end.error)
  return sendError(reply, error, getDialect(spec.dialect))
}

import type { FastifyInstance } from 'fastify'
import {
  createRequestIds,
  dropTopLevelFields,
  type GatewayError,
  isJsonObject,
  setTopLevelFields,
} from '#libs/core'
import { openaiResponses } from '#libs/dialects'
import { isEnded, type RunEnd } from '#libs/runs'
import { z } from 'zod'
import type { Caller } from '../authenticate.ts'
import { cancelRun } from '../cancel-run.ts'
import { endpointOf } from '../create-run.ts'
import type { ApiDeps } from '../deps.ts'
import { toGatewayError } from '../error-handler.ts'
import { prepareResponse } from '../prepare-response.ts'
import { findResponse } from '../response-object.ts'
import {
  cursor,
  keepHeaders,
  nameOfRequest,
  readMessage,
  runOptions,
  toHeaders,
} from '../websocket/client-message.ts'
import { deliverFound, deliverNew, type Telling } from '../websocket/deliver-websocket.ts'
import { answerMessage, type Session } from '../websocket/session.ts'
import { createTurns } from '../websocket/turns.ts'
import { openConnection } from '../websocket/upgrade.ts'

const create = z.looseObject({
  type: z.literal('response.create'),
  stream_id: nameOfRequest.optional(),
  generate: z.literal(true, 'preparing a response without making it is not supported').optional(),
  millrace: z.strictObject(runOptions).optional(),
})
const subscribe = z.strictObject({
  type: z.literal('response.subscribe'),
  response_id: z.string(),
  starting_after: cursor.default(-1),
  stream_id: nameOfRequest.optional(),
})
const cancel = z.strictObject({ type: z.literal('response.cancel'), response_id: z.string() })
const clientEvent = z.discriminatedUnion('type', [create, subscribe, cancel], {
  error: 'must be response.create, response.subscribe or response.cancel',
})

/** What of a `response.create` is not part of the body that a POST would have. */
const envelope = ['type', 'stream_id', 'generate', 'millrace']

interface ResponsesSession extends Session {
  readonly caller: Caller
}

/** OpenAI's Responses over a WebSocket, and beyond its protocol: to cancel one, and to follow any that is stored. */
export function responsesSocket(app: FastifyInstance, deps: ApiDeps): void {
  const newRequestId = createRequestIds()
  app.get('/responses', { config: { isWebsocket: true } }, (request, reply) => {
    const { caller } = request
    const endpoint = endpointOf(request)
    const headers = keepHeaders(request.headers)
    openConnection(deps, request, reply, {
      caller,
      attend: (connection) =>
        attend({ deps, connection, caller, endpoint, headers, newRequestId, readJson: app.readJson }),
    })
  })
}

function attend(session: ResponsesSession): (text: string) => void {
  const { deps, connection } = session
  const turns = createTurns(deps.sockets.limits.maxBufferedBytes)
  connection.onClose(() => turns.clear())
  return (text) => {
    let message: unknown
    try {
      message = session.readJson(text)
      const event = readMessage(clientEvent, message)
      if (event.type === 'response.cancel') {
        void cancelResponse(session, event)
        return
      }
      const refuse = (error: GatewayError): void => tellError(session, error, event)
      const exchange = { tenant: session.caller.tenant, requestId: session.newRequestId(), refuse }
      const work =
        event.type === 'response.create'
          ? () => createResponse(session, event, text, exchange.requestId)
          : () => followResponse(session, event)
      // What has no stream_id is one stream, as OpenAI has it.
      turns.take(event.stream_id ?? '', text.length, () => answerMessage(session, exchange, work))
    } catch (thrown) {
      tellError(session, toGatewayError(thrown), isJsonObject(message) ? message : {})
    }
  }
}

async function createResponse(
  { deps, connection, caller, endpoint, headers }: ResponsesSession,
  event: z.output<typeof create>,
  text: string,
  requestId: string,
): Promise<RunEnd | undefined> {
  const { type: _type, stream_id: streamId, generate: _generate, millrace: options, ...body } = event
  const streamed = { ...body, stream: true }
  const bare = dropTopLevelFields(text, envelope) ?? '{}'
  const prepared = await prepareResponse(deps, {
    caller,
    dialect: openaiResponses,
    endpoint,
    json: setTopLevelFields(bare, { stream: true }) ?? bare,
    body: streamed,
    headers: toHeaders(headers, options),
    requestId,
  })
  return deliverNew(deps, connection, prepared, tellOn(streamId))
}

async function followResponse(
  { deps, connection, caller }: ResponsesSession,
  { response_id: id, starting_after: after, stream_id: streamId }: z.output<typeof subscribe>,
): Promise<RunEnd | undefined> {
  const found = await findResponse(deps, id, caller.tenant)
  return deliverFound(deps, connection, { found, after }, tellOn(streamId))
}

/** The answer to a cancel is the last event of the response, wherever it is followed. */
async function cancelResponse(session: ResponsesSession, event: z.output<typeof cancel>): Promise<void> {
  const { deps, caller } = session
  try {
    const { run } = await findResponse(deps, event.response_id, caller.tenant)
    if (!isEnded(run)) await cancelRun(deps, run.spec)
  } catch (thrown) {
    tellError(session, toGatewayError(thrown), event)
  }
}

/** Events as SSE has them, with the stream's name; an error has the status that an answer would have had. */
function tellOn(streamId: string | undefined): Telling {
  const name = streamId === undefined ? '' : `"stream_id":${JSON.stringify(streamId)},`
  return {
    toMessage(frame, { end }) {
      const status = end?.error !== undefined && isError(frame) ? `"status":${end.error.status},` : ''
      return `{${status}${name}${frame.slice(frame.indexOf('{') + 1)}`
    },
  }
}

function isError(frame: string): boolean {
  return (JSON.parse(frame) as { type?: unknown }).type === 'error'
}

/** Tells what is wrong with a message of the client, in the words of a POST's answer. */
function tellError({ connection }: Session, error: GatewayError, named: Record<string, unknown>): void {
  const told = JSON.parse(openaiResponses.errorBody(error.toJSON())) as { error: Record<string, unknown> }
  const { message, code, param } = told.error
  const { stream_id: streamId, response_id: responseId } = named
  connection.send(
    JSON.stringify({
      type: 'error',
      status: error.status,
      ...(typeof streamId === 'string' && { stream_id: streamId }),
      ...(typeof responseId === 'string' && { response_id: responseId }),
      ...(error.retryAfterMs !== undefined && { retry_after_ms: error.retryAfterMs }),
      // As in a stream: the schema is flat, and OpenAI's own wire nests.
      code,
      message,
      param,
      ...told,
    }),
  )
}

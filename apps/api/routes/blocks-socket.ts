import type { FastifyInstance } from 'fastify'
import { createRequestIds, findTopLevelFields, GatewayError, isJsonObject, type RunId } from '#libs/core'
import { blockEventName, unifiedBlocks } from '#libs/dialects'
import { isEnded, type RunEnd } from '#libs/runs'
import { z } from 'zod'
import { readKey, type Caller } from '../authenticate.ts'
import { cancelRun } from '../cancel-run.ts'
import type { ApiDeps } from '../deps.ts'
import { toGatewayError } from '../error-handler.ts'
import { findRun, notFound } from '../find-run.ts'
import { prepare } from '../submit.ts'
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
import { openConnection } from '../websocket/upgrade.ts'

const auth = z.strictObject({ type: z.literal('auth'), key: z.string().min(1) })
const request = z.strictObject({
  type: z.literal('request'),
  request_id: nameOfRequest,
  body: z.unknown(),
  ...runOptions,
})
const subscribe = z.strictObject({
  type: z.literal('subscribe'),
  request_id: nameOfRequest,
  run_id: z.string(),
  after: cursor.default(-1),
})
const cancel = z.strictObject({ type: z.literal('cancel'), request_id: nameOfRequest })
const clientMessage = z.discriminatedUnion('type', [auth, request, subscribe, cancel], {
  error: 'must be auth, request, subscribe or cancel',
})

type Asking = z.output<typeof request> | z.output<typeof subscribe>

/** A request whose end was not told yet. */
interface OpenRequest {
  /** Known once the run is written down. */
  rid: RunId | undefined
  isCancelled: boolean
}

interface BlocksSession extends Session {
  /** Undefined until a key was shown. */
  caller: Caller | undefined
  readonly requests: Map<string, OpenRequest>
}

/** Unified blocks over a WebSocket: many requests on one connection, each with a name that its answers bear. */
export function blocksSocket(app: FastifyInstance, deps: ApiDeps): void {
  const newRequestId = createRequestIds()
  const config = { isWebsocket: true, dialect: unifiedBlocks }
  app.get('/ws', { config }, (opening, reply) => {
    const { keys, general } = deps.config
    const isKeyToCome = keys.length > 0 && readKey(opening.headers, general.keyHeader) === undefined
    const caller = isKeyToCome ? undefined : deps.authenticate(opening.headers)
    const headers = keepHeaders(opening.headers)
    const shared = { deps, caller, headers, newRequestId, readJson: app.readJson, endpoint: '/v1/generate' }
    openConnection(deps, opening, reply, {
      caller,
      attend(connection) {
        const session: BlocksSession = { ...shared, connection, requests: new Map() }
        return (text) => receive(session, text)
      },
    })
  })
}

function receive(session: BlocksSession, text: string): void {
  let message: unknown
  try {
    message = session.readJson(text)
    const read = readMessage(clientMessage, message)
    if (read.type === 'auth') return authenticate(session, read.key)
    if (session.caller === undefined) return session.connection.close('unauthenticated')
    if (read.type === 'cancel') cancelRequest(session, read.request_id)
    else ask(session, session.caller, read, text)
  } catch (thrown) {
    tellError(session, toGatewayError(thrown), isJsonObject(message) ? message.request_id : undefined)
  }
}

function authenticate(session: BlocksSession, key: string): void {
  const { deps, connection } = session
  let caller: Caller
  try {
    caller = deps.authenticate({ 'x-api-key': key })
  } catch {
    return connection.close('invalid-key')
  }
  if (session.caller !== undefined) {
    if (session.caller.tenant === caller.tenant) return
    throw new GatewayError('invalid_request', 'This connection is that of another tenant already.')
  }
  if (!deps.sockets.hasRoomFor(caller.tenant)) return connection.close('crowded')
  session.caller = caller
  connection.authenticate()
  deps.sockets.enter(connection, caller.tenant)
}

function ask(session: BlocksSession, caller: Caller, asking: Asking, text: string): void {
  const { requests } = session
  const { request_id: name } = asking
  if (requests.has(name)) {
    throw new GatewayError('invalid_request', `Request ${name} goes on: give this one another name.`, {
      param: 'request_id',
    })
  }
  const open: OpenRequest = { rid: undefined, isCancelled: false }
  requests.set(name, open)
  const requestId = session.newRequestId()
  const refuse = (error: GatewayError): void => tellError(session, error, name)
  void answerMessage(session, { tenant: caller.tenant, requestId, refuse }, () =>
    asking.type === 'request'
      ? create(session, { caller, asking, text, requestId, open })
      : follow(session, { caller, asking, open }),
  ).finally(() => requests.delete(name))
}

interface Creating {
  caller: Caller
  asking: z.output<typeof request>
  text: string
  requestId: string
  open: OpenRequest
}

async function create(session: BlocksSession, creating: Creating): Promise<RunEnd | undefined> {
  const { deps, connection, endpoint, headers } = session
  const { caller, asking, text, requestId, open } = creating
  const field = findTopLevelFields(text, ['body'])?.at(-1)
  const prepared = await prepare(deps, {
    caller,
    dialect: unifiedBlocks,
    endpoint,
    json: field === undefined ? '' : text.slice(field.start, field.end),
    body: asking.body,
    headers: toHeaders(headers, asking),
    requestId,
  })
  return deliverNew(deps, connection, prepared, tellOn(session, asking.request_id, open))
}

async function follow(
  session: BlocksSession,
  { caller, asking, open }: { caller: Caller; asking: z.output<typeof subscribe>; open: OpenRequest },
): Promise<RunEnd | undefined> {
  const { deps, connection } = session
  const { run_id: id, request_id: name, after } = asking
  const found = await findRun(deps, id, caller.tenant)
  if (found.run.spec.dialect !== unifiedBlocks.name) throw notFound()
  return deliverFound(deps, connection, { found, after }, tellOn(session, name, open))
}

function cancelRequest(session: BlocksSession, name: string): void {
  const open = session.requests.get(name)
  if (open === undefined) {
    throw new GatewayError('invalid_request', `There is no request ${name} that goes on.`, {
      param: 'request_id',
    })
  }
  open.isCancelled = true
  if (open.rid !== undefined) void cancelKnown(session, name, open.rid)
}

async function cancelKnown(session: BlocksSession, name: string, rid: RunId): Promise<void> {
  try {
    const { run } = await findRun(session.deps, rid, session.caller?.tenant ?? '')
    if (!isEnded(run)) await cancelRun(session.deps, run.spec)
  } catch (thrown) {
    tellError(session, toGatewayError(thrown), name)
  }
}

/** Each event in an envelope; its data is that of the SSE event, to the byte. */
function tellOn(session: BlocksSession, name: string, open: OpenRequest): Telling {
  const quoted = JSON.stringify(name)
  return {
    onRun({ rid }) {
      open.rid = rid
      session.connection.send(JSON.stringify({ type: 'accepted', request_id: name, run_id: rid }))
      if (open.isCancelled) void cancelKnown(session, name, rid)
    },
    toMessage: (frame, { rid, seq }) =>
      `{"type":"${blockEventName(frame)}","request_id":${quoted},"run_id":"${rid}","seq":${seq},"data":${frame}}`,
  }
}

/** Tells what is wrong with a message of the client, in the words of a POST's answer. */
function tellError({ connection }: Session, error: GatewayError, name: unknown): void {
  const quoted = JSON.stringify(typeof name === 'string' ? name : null)
  const data = unifiedBlocks.errorBody(error.toJSON())
  connection.send(`{"type":"error","request_id":${quoted},"data":${data}}`)
}

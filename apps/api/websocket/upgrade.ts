import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '#libs/core'
import type { Caller } from '../authenticate.ts'
import type { ApiDeps } from '../deps.ts'
import { refuseWhenDraining } from '../submit.ts'
import { createConnection, type Connection } from './connection.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route opens WebSockets. */
    isWebsocket?: boolean
  }
}

/** What Node hands over when a client asks for another protocol. */
interface Upgrade {
  socket: Socket
  head: Buffer
}

const upgrades = new WeakMap<IncomingMessage, Upgrade>()

/** Whether Node is to hand the request over: all other protocols that clients offer are ignored, as HTTP wants it. */
export function isUpgrade({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket'
}

/** Has requests for WebSockets routed as any other, so that they meet the same hooks and are refused in the same words. */
export function routeUpgrades(app: FastifyInstance, { config }: ApiDeps): void {
  const origins = new Set(config.server.websocket.allowedOrigins)
  app.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    // Node has let go of the socket, and an error that nobody hears ends the process.
    socket.on('error', () => socket.destroy())
    upgrades.set(request, { socket, head })
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.once('finish', () => socket.destroySoon())
    app.routing(request, response)
  })
  app.addHook('onRequest', async ({ raw, routeOptions, headers }) => {
    if (!upgrades.has(raw)) return
    if (routeOptions.config.isWebsocket !== true) {
      throw new GatewayError('route_not_found', 'There is no WebSocket here.')
    }
    checkOrigin(headers.origin, origins)
  })
}

/** A browser tells whose page connects, and lets any page do so. What is no browser tells nothing. */
function checkOrigin(origin: string | undefined, allowed: ReadonlySet<string>): void {
  if (origin === undefined || allowed.has('*') || allowed.has(origin.toLowerCase())) return
  throw new GatewayError(
    'permission_denied',
    'Pages of this origin may not connect. The operator can add it to server.websocket.allowed_origins.',
  )
}

export interface Opening {
  /** Undefined if a key is still to come. */
  caller: Caller | undefined
  /** Gives what takes the messages. */
  attend: (connection: Connection) => (text: string) => void
}

/** Makes a WebSocket of the request. Throws if it is none, or one too many. */
export function openConnection(
  deps: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  { caller, attend }: Opening,
): void {
  const upgrade = upgrades.get(request.raw)
  if (upgrade === undefined) {
    reply.header('upgrade', 'websocket')
    throw new GatewayError('invalid_request', 'Open this address as a WebSocket.', { status: 426 })
  }
  const { sockets } = deps
  refuseWhenDraining(deps)
  sockets.check(caller?.tenant)
  const { socket: transport, head } = upgrade
  reply.hijack()
  reply.raw.detachSocket(transport)
  sockets.server.handleUpgrade(request.raw, transport, head, (socket) => {
    const connection: Connection = createConnection({
      socket,
      transport,
      limits: sockets.limits,
      isAuthenticated: caller !== undefined,
      receive: (text) => receive(text),
      onClosed: (why) => sockets.leave(connection, why),
    })
    const receive = attend(connection)
    sockets.enter(connection, caller?.tenant)
  })
}

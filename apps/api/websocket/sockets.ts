import { WebSocketServer, type ServerOptions } from 'ws'
import { GatewayError } from '#libs/core'
import type { Metrics } from '#libs/telemetry'
import { keyProtocol } from '../authenticate.ts'
import type { OpenStreams } from '../open-streams.ts'
import type { Connection, ConnectionLimits } from './connection.ts'

/** All the WebSockets of the process. */
export interface Sockets {
  readonly limits: ConnectionLimits
  /** Makes WebSockets of connections; it listens nowhere. */
  readonly server: WebSocketServer
  readonly count: number
  /** Throws if there is no room for another one of the tenant; `undefined` while no key was shown. */
  check(tenant: string | undefined): void
  /** Whether the tenant may have one more of those that are open. */
  hasRoomFor(tenant: string): boolean
  /** Counts the connection as the tenant's, and as nobody else's any more. */
  enter(connection: Connection, tenant: string | undefined): void
  leave(connection: Connection, why: string): void
  /** Has each connection closed as soon as nothing is followed on it. */
  drain(): void
  /** Closes those that are still there. */
  close(): void
}

export interface SocketsOptions {
  limits: ConnectionLimits
  openStreams: OpenStreams
  metrics: Pick<Metrics, 'websocketCloses'>
}

/** More pieces than that no client makes of a message. */
const mostFragments = 1024
/** How long a peer may take to answer a close. */
const closeTimeout = 2_000
const retryAfterMs = 1_000

export function createSockets({ limits, openStreams, metrics }: SocketsOptions): Sockets {
  const tenants = new Map<Connection, string>()
  const counts = new Map<string, number>()

  function add(tenant: string, by: 1 | -1): void {
    const count = (counts.get(tenant) ?? 0) + by
    if (count === 0) counts.delete(tenant)
    else counts.set(tenant, count)
  }

  function hasRoomFor(tenant: string): boolean {
    return (counts.get(tenant) ?? 0) < limits.maxTenantConnections
  }

  // Its types don't know all of its options.
  const options: ServerOptions & { maxFragments: number; closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    maxPayload: limits.maxMessageBytes,
    maxFragments: mostFragments,
    closeTimeout,
    handleProtocols: chooseProtocol,
  }
  return {
    limits,
    server: new WebSocketServer(options),
    get count() {
      return tenants.size
    },
    check(tenant = '') {
      if (tenants.size >= limits.maxConnections) {
        const message = 'This process has as many WebSockets as it takes. Connect again later.'
        throw new GatewayError('overloaded', message, { retryAfterMs })
      }
      if (!hasRoomFor(tenant)) {
        const message = 'There are as many WebSockets of this tenant as it may have. Close one first.'
        throw new GatewayError('rate_limit_exceeded', message, { retryAfterMs })
      }
    },
    hasRoomFor,
    enter(connection, tenant = '') {
      const before = tenants.get(connection)
      if (before === undefined) openStreams.add(connection)
      else add(before, -1)
      tenants.set(connection, tenant)
      add(tenant, 1)
    },
    leave(connection, why) {
      openStreams.remove(connection)
      add(tenants.get(connection) ?? '', -1)
      tenants.delete(connection)
      metrics.websocketCloses({ reason: why }).inc()
    },
    drain() {
      for (const connection of tenants.keys()) connection.drain()
    },
    close() {
      for (const connection of tenants.keys()) connection.close('restart')
    },
  }
}

/** Browsers want one of theirs chosen; the one that holds the key only if there is no other. */
function chooseProtocol(offered: Set<string>): string | false {
  const [first = false] = offered
  return [...offered].find((protocol) => !protocol.startsWith(keyProtocol)) ?? first
}

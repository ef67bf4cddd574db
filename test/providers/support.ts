import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach } from 'vitest'
import { GatewayError } from '#libs/core'
import {
  type ConnectedProvider,
  connectProvider,
  openai,
  type ProviderCall,
  type ProviderSettings,
  type ProviderSpec,
} from '#libs/providers'

const open: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** An HTTP server until the test's end; gives its `host:port`. A listener that throws drops the connection. */
export function serve(
  listener: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<string> {
  const server = createHttpServer((request, response) => {
    Promise.try(listener, request, response).catch(() => request.socket.destroy())
  })
  return listen(server)
}

/** A server that answers each request with bytes of the test's own making, or not at all. */
export function serveRaw(answer: (socket: Socket) => void): Promise<string> {
  return listen(createServer((socket) => socket.once('data', () => answer(socket))))
}

/** A provider at this server, of type `openai` unless told otherwise, named `acme`, closed at the test's end. */
export function connect(
  host: string,
  settings: Partial<ProviderSettings> = {},
  spec: ProviderSpec = openai,
): ConnectedProvider {
  const provider = connectProvider(spec, {
    name: 'acme',
    baseUrl: `http://${host}/v1`,
    ...settings,
    timeouts: { connectMs: 5000, firstByteMs: 5000, idleMs: 5000, totalMs: 10_000, ...settings.timeouts },
  })
  open.push(() => provider.close())
  return provider
}

export const call: ProviderCall = {
  path: '/chat/completions',
  body: '{"model":"m"}',
  key: 'sk-secret',
  rid: 'chatcmpl-1',
}

export const never = new AbortController().signal

/** The error that this ends with; fails if it ends well. */
export async function errorOf(promise: Promise<unknown>): Promise<GatewayError> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (outcome instanceof GatewayError) return outcome
  throw new Error('expected a GatewayError', { cause: outcome })
}

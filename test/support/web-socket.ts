import { once } from 'node:events'
import { WebSocket, type ClientOptions } from 'ws'
import type { JsonObject } from './http.ts'

/** A client that notes all that it is sent. */
export interface TestSocket {
  readonly socket: WebSocket
  readonly messages: JsonObject[]
  send(message: object): void
  /** Resolves with the first message that is so, of those that came and those to come; fails when the socket closes. */
  next(isIt: (message: JsonObject) => boolean): Promise<JsonObject>
  /** How it was closed. */
  readonly closed: Promise<{ code: number; reason: string }>
  close(): Promise<void>
}

export interface TestSocketOptions extends ClientOptions {
  protocols?: string[]
}

/** Opens a WebSocket; `http:` addresses are taken for `ws:`. Fails with the status if it is refused. */
export async function openSocket(
  url: string,
  { protocols = [], ...options }: TestSocketOptions = {},
): Promise<TestSocket> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, options)
  const messages: JsonObject[] = []
  const waiting = new Set<() => void>()
  const wake = (): void => waiting.forEach((look) => look())
  socket.on('message', (data) => {
    messages.push(JSON.parse(String(data as Buffer)) as JsonObject)
    wake()
  })
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => {
      resolve({ code, reason: String(reason) })
      wake()
    })
  })
  await once(socket, 'open')
  socket.on('error', () => undefined)
  return {
    socket,
    messages,
    closed,
    send: (message) => socket.send(JSON.stringify(message)),
    next: (isIt) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = messages.find(isIt)
          if (found === undefined && socket.readyState === WebSocket.OPEN) return
          waiting.delete(look)
          if (found !== undefined) resolve(found)
          else reject(new Error(`The socket closed. It had said: ${JSON.stringify(messages).slice(-2_000)}`))
        }
        waiting.add(look)
        look()
      }),
    async close() {
      socket.close()
      await closed
    },
  }
}

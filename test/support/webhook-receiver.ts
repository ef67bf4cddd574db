import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { eventually } from './gateway.ts'

/** One POST as it came in. */
export interface ReceivedEvent {
  headers: Record<string, string>
  body: string
  /** The body's own id, which is also that of the header. */
  id: string
  type: string
  atMs: number
}

/**
 * What a receiver does with an event: answers with a status (and perhaps headers), takes so long before it does, or
 * says nothing at all.
 */
export type Reaction =
  | { status: number; headers?: Record<string, string>; afterMs?: number; body?: string }
  | 'silence'

export interface WebhookReceiver {
  readonly url: string
  readonly port: number
  /** In the order in which they came, refused ones included. */
  readonly received: ReceivedEvent[]
  /** What comes of the next events; 200 unless it is set. The number counts the requests from 0. */
  react: (event: ReceivedEvent, index: number) => Reaction
  /** Resolves when so many events have come. */
  gets(count: number, timeoutMs?: number): Promise<void>
  close(): Promise<void>
}

/** A server of somebody else's, on a port of its own. */
export async function startReceiver(host = '127.0.0.1', port = 0): Promise<WebhookReceiver> {
  const received: ReceivedEvent[] = []
  const server = createServer((request, response) => void take(request, response))
  server.listen(port, host)
  await once(server, 'listening')
  const address = server.address()
  const taken = typeof address === 'object' && address !== null ? address.port : 0

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request).catch(() => '')
    const { id = '', type = '' } = JSON.parse(body || '{}') as { id?: string; type?: string }
    const headers = request.headers as Record<string, string>
    const event = { headers, body, id, type, atMs: Date.now() }
    const reaction = receiver.react(event, received.push(event) - 1)
    if (reaction === 'silence') return
    const answer = (): void =>
      void response.writeHead(reaction.status, reaction.headers).end(reaction.body ?? '')
    if (reaction.afterMs === undefined) answer()
    else setTimeout(answer, reaction.afterMs)
  }

  const receiver: WebhookReceiver = {
    url: `http://${host}:${taken}/hook`,
    port: taken,
    received,
    react: () => ({ status: 200 }),
    gets(count, timeoutMs) {
      const isEnough = (): boolean => received.length >= count
      return eventually(`${count} events come`, isEnough, timeoutMs)
    },
    async close() {
      server.close()
      server.closeAllConnections()
      if (server.listening) await once(server, 'close')
    },
  }
  return receiver
}

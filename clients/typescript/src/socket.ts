import { MillraceError } from './errors.ts'

/** As much as is used of a WebSocket, whoever made it. */
export interface SocketLike {
  readonly readyState: number
  send(text: string): void
  close(): void
  onopen: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number; reason: string }) => void) | null
  onerror: (() => void) | null
}

export interface SocketClientOptions {
  /** Where the gateway is, such as `https://gateway.example.com`. */
  baseUrl: string
  /** Sent as the first message, since a page can set no header. */
  apiKey?: string
  /** In place of the global `WebSocket`. */
  open?: (url: string) => SocketLike
}

/** A piece of an answer in unified blocks, numbered by `seq`. */
export interface Block {
  seq: number
  data: Record<string, unknown>
}

export interface SocketRequest extends AsyncIterable<Block> {
  /** The id of its run as soon as that is known; keep it to come back later. */
  readonly runId: Promise<string>
  /** The whole answer, also without iterating. */
  readonly answer: Promise<Record<string, unknown>>
  /** The iteration ends with the error `cancelled`. */
  cancel(): void
}

/**
 * Any number of answers over one connection, by the protocol of `/v1/ws`. When the connection breaks it opens another,
 * and each answer goes on behind its last block.
 */
export interface SocketClient {
  /** Creates a run with the body of `POST /v1/generate`. Throws a {@link MillraceError} while it is iterated. */
  request(body: object): SocketRequest
  /** The blocks of a run that was created before, behind number `after`. */
  subscribe(runId: string, after?: number): SocketRequest
  /** The runs go on; whoever iterates is told that the socket was closed. */
  close(): void
}

/** One request, as long as its answer goes on. */
interface Open {
  create: { body: object; idempotency_key: string } | undefined
  runId: string | undefined
  after: number
  isCancelled: boolean
  /** Blocks that nobody has taken yet. */
  blocks: Block[]
  known: PromiseWithResolvers<string>
  answer: PromiseWithResolvers<Record<string, unknown>>
  end: 'done' | Error | undefined
  wake: () => void
}

/** What the gateway says; fields by `type`. */
interface Message {
  type: 'accepted' | 'block' | 'done' | 'error'
  request_id?: string
  run_id?: string
  seq?: number
  /** Of an error: `code` and `message`. */
  data?: Record<string, unknown>
}

export function createSocketClient(options: SocketClientOptions): SocketClient {
  const requests = new Map<string, Open>()
  let count = 0
  const endAll = (error: Error): void => {
    for (const request of requests.values()) end(request, error)
    requests.clear()
  }
  const connection = createConnection(options, {
    isNeeded: () => requests.size > 0,
    onOpen(send) {
      for (const [id, request] of requests) ask(send, id, request)
    },
    onMessage(message) {
      const request = requests.get(message.request_id ?? '')
      if (request === undefined) return
      hear(request, message)
      if (request.end !== undefined) requests.delete(message.request_id ?? '')
    },
    onRefused: endAll,
  })

  function start(request: Pick<Open, 'create' | 'runId' | 'after'>): SocketRequest {
    const id = String(++count)
    const opened = openRequest(request)
    requests.set(id, opened)
    connection.use((send) => ask(send, id, opened))
    return {
      runId: opened.known.promise,
      answer: opened.answer.promise,
      cancel() {
        opened.isCancelled = true
        connection.use((send) => send({ type: 'cancel', request_id: id }))
      },
      [Symbol.asyncIterator]: () => iterate(opened),
    }
  }

  return {
    request: (body) =>
      start({ create: { body, idempotency_key: crypto.randomUUID() }, runId: undefined, after: -1 }),
    subscribe: (runId, after = -1) => start({ create: undefined, runId, after }),
    close() {
      endAll(new Error('The socket was closed.'))
      connection.close()
    },
  }
}

type Send = (message: object) => void

interface Connection {
  /** Calls now if it is open; else it is opened, and its `onOpen` says all that there is to say. */
  use(act: (send: Send) => void): void
  close(): void
}

interface ConnectionHandlers {
  isNeeded(): boolean
  onOpen(send: Send): void
  onMessage(message: Message): void
  onRefused(error: Error): void
}

const isOpenState = 1
/** The gateway's word for a key that it does not know: another connection would fare no better. */
const policyViolation = 1008
const reconnectMs = 500

function createConnection(
  { baseUrl, apiKey, open = openGlobal }: SocketClientOptions,
  handlers: ConnectionHandlers,
): Connection {
  const url = new URL('/v1/ws', baseUrl).href.replace(/^http/, 'ws')
  let socket: SocketLike | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  const send: Send = (message) => socket?.send(JSON.stringify(message))

  function connect(): void {
    timer = undefined
    const opened = open(url)
    socket = opened
    opened.onopen = () => {
      if (apiKey !== undefined) send({ type: 'auth', key: apiKey })
      handlers.onOpen(send)
    }
    opened.onmessage = ({ data }) => handlers.onMessage(JSON.parse(String(data)) as Message)
    opened.onerror = () => undefined
    opened.onclose = ({ code, reason }) => {
      if (socket !== opened) return
      socket = undefined
      if (code === policyViolation) {
        handlers.onRefused(new MillraceError(401, reason === '' ? 'The key is not known.' : reason))
      } else if (handlers.isNeeded()) {
        // At a moment of its own: all clients of a process that stops come back.
        timer = setTimeout(connect, reconnectMs * (1 + Math.random()))
      }
    }
  }

  return {
    use(act) {
      if (socket?.readyState === isOpenState) act(send)
      else if (socket === undefined && timer === undefined) connect()
    },
    close() {
      clearTimeout(timer)
      const closing = socket
      socket = undefined
      closing?.close()
    },
  }
}

function openRequest(request: Pick<Open, 'create' | 'runId' | 'after'>): Open {
  const known = Promise.withResolvers<string>()
  const answer = Promise.withResolvers<Record<string, unknown>>()
  // Whoever asks for neither is told of an error by the iteration.
  for (const { promise } of [known, answer]) (promise as Promise<unknown>).catch(() => undefined)
  if (request.runId !== undefined) known.resolve(request.runId)
  return { ...request, isCancelled: false, blocks: [], known, answer, end: undefined, wake: () => undefined }
}

function ask(send: Send, id: string, { create, runId, after, isCancelled }: Open): void {
  if (runId !== undefined) send({ type: 'subscribe', request_id: id, run_id: runId, after })
  else send({ type: 'request', request_id: id, ...create })
  if (isCancelled) send({ type: 'cancel', request_id: id })
}

function hear(request: Open, { type, run_id: runId, seq, data = {} }: Message): void {
  if (runId !== undefined) {
    request.runId = runId
    request.known.resolve(runId)
  }
  if (type === 'block' && seq !== undefined && seq > request.after) {
    request.blocks.push({ seq, data })
    request.after = seq
  }
  if (type === 'done') {
    request.answer.resolve(data)
    end(request, 'done')
  }
  if (type === 'error') end(request, toError(data))
  request.wake()
}

/** A connection that is open has no status any more; 500 stands for what HTTP would have said. */
function toError({ code, message }: Record<string, unknown>): MillraceError {
  const told = typeof message === 'string' ? message : 'The run failed.'
  return new MillraceError(500, told, typeof code === 'string' ? { code } : {})
}

function end(request: Open, how: 'done' | Error): void {
  request.end = how
  if (how !== 'done') {
    request.known.reject(how)
    request.answer.reject(how)
  }
  request.wake()
}

async function* iterate(request: Open): AsyncGenerator<Block, void> {
  for (;;) {
    yield* request.blocks.splice(0)
    if (request.blocks.length > 0) continue
    if (request.end === 'done') return
    if (request.end !== undefined) throw request.end
    await new Promise<void>((resolve) => (request.wake = resolve))
  }
}

function openGlobal(url: string): SocketLike {
  return new WebSocket(url) as SocketLike
}

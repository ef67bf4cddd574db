import type { Socket } from 'node:net'
import type { RawData, WebSocket } from 'ws'
import type { WebsocketConfig } from '#config'
import { GatewayError } from '#libs/core'
import type { Following } from '#libs/streams'
import { closings, type Closing } from './closings.ts'

export interface ConnectionLimits extends WebsocketConfig {
  /** How long a connection may take nothing before it is cut. */
  readonly stuckReaderMs: number
}

/** One WebSocket, with the limits of what its peer may ask of us. */
export interface Connection {
  /** False from the moment it is to be closed: nothing is read or sent any more. */
  readonly isOpen: boolean
  /** A key was shown. Without this the connection is closed after a while. */
  authenticate(): void
  /** Sends an answer of our own. A peer that asks and does not read is cut off. */
  send(message: string): void
  /** Sends what a stream has for the peer; false once the peer is to catch up before more is taken. */
  write(messages: readonly string[]): boolean
  /** Has the stream resumed when there is room, after those that wait already. */
  awaitRoom(following: Following): void
  /** A stream that was resumed has nothing more for now: it is the next one's turn. */
  resumeNext(): void
  /** Does the work in one of the places for streams. Throws `rate_limit_exceeded` if all are taken. */
  occupy(work: () => Promise<void>): Promise<void>
  /** Calls back when the connection closes, unless what it returns is called before. */
  onClose(listener: () => void): () => void
  close(why: Closing): void
  /** Closes now if nothing is followed here, else when the last stream has ended. */
  drain(): void
  /** To be called about once a second. */
  tick(nowMs: number): void
}

export interface ConnectionOptions {
  socket: WebSocket
  /** Below the WebSocket. */
  transport: Socket
  limits: ConnectionLimits
  isAuthenticated: boolean
  receive: (text: string) => void
  /** Called once, with why: ours, or that the peer left, broke the protocol, or is not heard of any more. */
  onClosed: (why: Closing | 'peer' | 'protocol' | 'dead' | 'stuck') => void
}

type Why = Parameters<ConnectionOptions['onClosed']>[0]

interface State {
  readonly options: ConnectionOptions
  readonly openedAtMs: number
  readonly listeners: Set<() => void>
  /** The streams that wait for room, the one that waits longest first. */
  readonly waiting: Set<Following>
  /** How many streams are followed. */
  streams: number
  isAuthenticated: boolean
  isDraining: boolean
  /** Set once it is not open any more. */
  why: Why | undefined
  heardAtMs: number
  pingedAtMs: number
  fullSinceMs: number | undefined
  /** The second in which messages are counted. */
  second: number
  messages: number
}

export function createConnection(options: ConnectionOptions): Connection {
  const { socket, transport, isAuthenticated } = options
  const nowMs = Date.now()
  const state: State = {
    options,
    openedAtMs: nowMs,
    listeners: new Set(),
    waiting: new Set(),
    streams: 0,
    isAuthenticated,
    isDraining: false,
    why: undefined,
    heardAtMs: nowMs,
    pingedAtMs: nowMs,
    fullSinceMs: undefined,
    second: 0,
    messages: 0,
  }
  socket.on('message', (data, isBinary) => receive(state, data, isBinary))
  socket.on('ping', () => hear(state))
  socket.on('pong', () => void (state.heardAtMs = Date.now()))
  // It closes the socket itself then, with the code that says why.
  socket.on('error', () => shut(state, 'protocol'))
  socket.once('close', () => shut(state, 'peer'))
  transport.on('drain', () => {
    state.heardAtMs = Date.now()
    state.fullSinceMs = undefined
    resumeNext(state)
  })
  return {
    get isOpen() {
      return isOpen(state)
    },
    authenticate: () => void (state.isAuthenticated = true),
    send: (message) => send(state, message),
    write: (messages) => write(state, messages),
    awaitRoom: (following) => void state.waiting.add(following),
    resumeNext: () => resumeNext(state),
    occupy: (work) => occupy(state, work),
    onClose(listener) {
      state.listeners.add(listener)
      return () => state.listeners.delete(listener)
    },
    close: (why) => close(state, why),
    drain() {
      state.isDraining = true
      closeIfDrained(state)
    },
    tick: (tickMs) => tick(state, tickMs),
  }
}

function isOpen({ why, options: { socket } }: State): boolean {
  return why === undefined && socket.readyState === socket.OPEN
}

function receive(state: State, data: RawData, isBinary: boolean): void {
  if (!isOpen(state)) return
  if (isBinary) return close(state, 'binary')
  if (hear(state)) state.options.receive((data as Buffer).toString())
}

/** Counts what the peer sends; false if that was too much. */
function hear(state: State): boolean {
  const nowMs = Date.now()
  state.heardAtMs = nowMs
  const second = Math.floor(nowMs / 1_000)
  if (second !== state.second) state.messages = 0
  state.second = second
  state.messages += 1
  if (state.messages <= state.options.limits.maxMessagesPerSecond) return true
  close(state, 'flood')
  return false
}

function send(state: State, message: string): void {
  write(state, [message])
  const { limits, transport } = state.options
  if (transport.writableLength > limits.maxBufferedBytes) close(state, 'unread')
}

function write(state: State, messages: readonly string[]): boolean {
  const { socket, transport } = state.options
  if (!isOpen(state)) return false
  transport.cork()
  for (const message of messages) socket.send(message)
  transport.uncork()
  return !transport.writableNeedDrain
}

function resumeNext(state: State): void {
  const { waiting, options } = state
  if (!isOpen(state) || options.transport.writableNeedDrain) return
  const [next] = waiting
  if (next === undefined) return
  waiting.delete(next)
  next.resume()
}

async function occupy(state: State, work: () => Promise<void>): Promise<void> {
  const { maxStreams } = state.options.limits
  if (state.streams >= maxStreams) {
    throw new GatewayError(
      'rate_limit_exceeded',
      `This connection follows ${maxStreams} runs already. Wait for one to end, or open another connection.`,
    )
  }
  state.streams += 1
  try {
    await work()
  } finally {
    state.streams -= 1
    closeIfDrained(state)
  }
}

function closeIfDrained(state: State): void {
  if (state.isDraining && state.streams === 0) close(state, 'restart')
}

function close(state: State, why: Closing): void {
  if (!isOpen(state)) return
  const { code, reason } = closings[why]
  state.options.socket.close(code, reason)
  shut(state, why)
}

/** Cuts a peer off that would not hear why. */
function cut(state: State, why: 'dead' | 'stuck'): void {
  state.options.socket.terminate()
  shut(state, why)
}

function shut(state: State, why: Why): void {
  if (state.why !== undefined) return
  state.why = why
  state.waiting.clear()
  for (const listener of state.listeners) listener()
  state.options.onClosed(why)
}

function tick(state: State, nowMs: number): void {
  const { options, openedAtMs, heardAtMs, pingedAtMs } = state
  const { authTimeoutMs, pingIntervalMs, stuckReaderMs } = options.limits
  if (!isOpen(state)) return
  if (!state.isAuthenticated && nowMs - openedAtMs > authTimeoutMs) return close(state, 'unauthenticated')
  if (nowMs - heardAtMs > 2 * pingIntervalMs) return cut(state, 'dead')
  state.fullSinceMs = options.transport.writableNeedDrain ? (state.fullSinceMs ?? nowMs) : undefined
  if (nowMs - (state.fullSinceMs ?? nowMs) > stuckReaderMs) return cut(state, 'stuck')
  // Whose turn it was may have failed to read.
  resumeNext(state)
  if (nowMs - pingedAtMs < pingIntervalMs) return
  state.pingedAtMs = nowMs
  options.socket.ping()
}

import type { ServerResponse } from 'node:http'
import type { StreamDialect } from '#libs/dialects'
import { failedUnheard, type RunEnd, type RunOpening, type RunSpec } from '#libs/runs'
import type { Following, LogEntry } from '#libs/streams'
import { readEntry, type Delivery as RunDelivery, type NewFrames } from './follow.ts'
import type { OpenStream, OpenStreams } from './open-streams.ts'
import { openingOf } from './response-headers.ts'

/**
 * Delivers a run as server-sent events.
 *
 * The status line waits for the first frame, so that a run that fails before it is answered with its real status;
 * when that takes longer than `streamCommitMs` the stream begins without it, and comments keep it alive. Each
 * entry of the log is one write. When the connection is full nothing more is taken until it has drained, and one
 * that takes nothing for `stuckReaderMs` is closed: its reader can resume.
 */
export interface SseDelivery extends OpenStream, RunDelivery {
  /** From now on the stream may begin without a frame, and is kept alive. */
  start(): void
}

export interface SseOptions {
  spec: RunSpec
  dialect: StreamDialect
  response: ServerResponse
  /** Headers that the reply has already, such as the request's id. */
  headers: Record<string, string>
  /** Those of the stream, once it is known how the run was opened. */
  toStreamHeaders: (opening?: RunOpening) => Record<string, string>
  /** Whether the client asked for `text/event-stream` by name. */
  acceptsEvents: boolean
  /** The last frame that the client has; -1 for none. */
  after: number
  /** Whether the client is an EventSource that came back: 204 tells it to stay away. */
  isReconnect: boolean
  openStreams: OpenStreams
  /** Answers in place of the stream, which has not begun. */
  fail: (end: RunEnd) => void
  /** The run is not there any more. */
  onLost: (error: unknown) => void
  /** The client left before the end. */
  onLeave?: (() => void) | undefined
}

interface Delivery {
  readonly options: SseOptions
  readonly openedAtMs: number
  /** `held` until the status line is sent, `done` when nothing more will be. */
  state: 'held' | 'streaming' | 'done'
  wroteAtMs: number
  /** Since when the connection takes no more. */
  fullSinceMs: number | undefined
  following: Following | undefined
  /** Stops hearing of the connection and of the clock. */
  release: () => void
}

export function deliverSse(options: SseOptions): SseDelivery {
  const { response, openStreams } = options
  const nowMs = Date.now()
  const delivery: Delivery = {
    options,
    openedAtMs: nowMs,
    state: 'held',
    wroteAtMs: nowMs,
    fullSinceMs: undefined,
    following: undefined,
    release: () => undefined,
  }
  const result: SseDelivery = {
    attach(following) {
      delivery.following = following
      if (delivery.state === 'done') following.stop()
    },
    start() {
      if (delivery.state !== 'done') openStreams.add(result)
    },
    detach() {
      finish(delivery)
      delivery.following?.stop()
    },
    take: (entry, seq) => take(delivery, entry, seq),
    ended: () => complete(delivery, ''),
    lost: (error) => lose(delivery, error),
    tick: (tickMs) => tick(delivery, tickMs),
  }
  const onDrain = (): void => {
    delivery.fullSinceMs = undefined
    delivery.following?.resume()
  }
  const onClose = (): void => {
    finish(delivery)
    delivery.following?.stop()
    options.onLeave?.()
  }
  response.on('drain', onDrain).once('close', onClose)
  delivery.release = () => {
    openStreams.remove(result)
    response.removeListener('drain', onDrain).removeListener('close', onClose)
  }
  return result
}

function take(delivery: Delivery, entry: LogEntry, seq: number): boolean {
  const { options } = delivery
  const told = readEntry(options.spec, options.after, entry, seq)
  const { end } = told
  const text = toEvents(options, told)
  if (end !== null) {
    if (delivery.state === 'held' && failedUnheard(end)) {
      finish(delivery)
      options.fail(end)
    } else {
      complete(delivery, text, openingOf(options.spec, end))
    }
    return true
  }
  commit(delivery, entry.meta === '' ? undefined : (JSON.parse(entry.meta.slice(1)) as RunOpening))
  delivery.wroteAtMs = Date.now()
  if (options.response.write(text)) return true
  delivery.fullSinceMs = delivery.wroteAtMs
  return false
}

/** Sends the status line, from where on a failure can only be told in the stream. */
function commit(delivery: Delivery, opening?: RunOpening): void {
  if (delivery.state !== 'held') return
  delivery.state = 'streaming'
  delivery.options.response.writeHead(200, {
    ...delivery.options.headers,
    ...delivery.options.toStreamHeaders(opening),
  })
}

function complete(delivery: Delivery, text: string, opening?: RunOpening): void {
  const { response, headers, isReconnect, dialect } = delivery.options
  if (delivery.state === 'held' && isReconnect && text === '') {
    finish(delivery)
    response.writeHead(204, headers).end()
    return
  }
  commit(delivery, opening)
  finish(delivery)
  response.end(text + dialect.streamEnd)
}

function lose(delivery: Delivery, error: unknown): void {
  const wasHeld = delivery.state === 'held'
  finish(delivery)
  if (wasHeld) delivery.options.onLost(error)
  else delivery.options.response.destroy()
}

function finish(delivery: Delivery): void {
  delivery.state = 'done'
  delivery.release()
}

function tick(delivery: Delivery, nowMs: number): void {
  const { response, openStreams } = delivery.options
  if (delivery.fullSinceMs !== undefined) {
    if (nowMs - delivery.fullSinceMs > openStreams.stuckReaderMs) response.destroy()
    return
  }
  if (delivery.state === 'held' && nowMs - delivery.openedAtMs >= openStreams.streamCommitMs) commit(delivery)
  if (delivery.state === 'streaming' && nowMs - delivery.wroteAtMs >= openStreams.keepAliveMs) {
    delivery.wroteAtMs = nowMs
    response.write(': keep-alive\n\n')
  }
}

function toEvents({ spec, dialect, acceptsEvents }: SseOptions, { frames, first }: NewFrames): string {
  let number = first
  let text = ''
  for (const frame of frames) text += dialect.toEvent(frame, `${spec.rid}:${number++}`, acceptsEvents)
  return text
}

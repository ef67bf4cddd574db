import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '#libs/core'

/** Where a client wants to go on: behind frame `after` (-1 for the beginning), and whether its browser asks. */
export interface ClientCursor {
  after: number
  /** The cursor came as `Last-Event-ID`, which EventSource sends by itself. */
  isReconnect: boolean
}

/** Reads `starting_after`. Throws `invalid_request` for what is no number of a frame. */
function readStartingAfter(value: unknown): number {
  if (value === undefined) return -1
  const after = typeof value === 'string' && /^(?:-1|\d{1,9})$/.test(value) ? Number(value) : Number.NaN
  if (Number.isInteger(after)) return after
  throw new GatewayError(
    'invalid_request',
    'starting_after is the sequence number of the last frame you have.',
    {
      param: 'starting_after',
    },
  )
}

/** Reads `Last-Event-ID: <run>:<number>`; `undefined` for what is not one of ours. */
export function readLastEventId(
  value: string | string[] | undefined,
): { rid: string; after: number } | undefined {
  if (typeof value !== 'string') return undefined
  const match = /^([\w-]{1,80}):(\d{1,9})$/.exec(value)
  return match?.[1] === undefined ? undefined : { rid: match[1], after: Number(match[2]) }
}

/** Where a GET wants to stream from; `undefined` if it asks for no stream. */
export function readCursor(request: {
  headers: IncomingHttpHeaders
  query: Record<string, unknown>
}): ClientCursor | undefined {
  const last = readLastEventId(request.headers['last-event-id'])
  if (last !== undefined) return { after: last.after, isReconnect: true }
  const { stream, starting_after: startingAfter } = request.query
  if (stream !== undefined && stream !== 'true' && stream !== 'false') {
    throw new GatewayError('invalid_request', 'stream is true or false.', { param: 'stream' })
  }
  const wantsEvents = request.headers.accept?.includes('text/event-stream') === true
  if (stream !== 'true' && !(wantsEvents && stream === undefined)) return undefined
  return { after: readStartingAfter(startingAfter), isReconnect: false }
}

import type { FastifyReply } from 'fastify'
import { GatewayError, type RunId } from '#libs/core'
import type { RunEnd } from '#libs/runs'
import { isEnd, type Following, type LogEntry, type Reader } from '#libs/streams'
import { notFound } from './find-run.ts'

/** How a run ended, with the text of its answer as it is kept; the text is empty if it has none. */
export interface EndedRun {
  end: RunEnd
  answer: string
}

export interface EndWaiter {
  readonly reader: Reader
  /** Resolves with `undefined` if the run ended before the reader began: its record tells more. */
  readonly ended: Promise<EndedRun | undefined>
}

/** A reader that waits for the end of a run that answers in one piece. */
export function createEndWaiter(): EndWaiter {
  const { promise, resolve, reject } = Promise.withResolvers<EndedRun | undefined>()
  const reader: Reader = {
    take(entry: LogEntry) {
      if (isEnd(entry)) resolve({ end: JSON.parse(entry.meta.slice(1)) as RunEnd, answer: entry.payload })
      return true
    },
    ended: () => resolve(undefined),
    lost: (error) => reject(error === undefined ? notFound() : GatewayError.from(error)),
  }
  // It may be lost before anyone waits, and a rejection that nobody handles ends the process.
  promise.catch(() => undefined)
  return { reader, ended: promise }
}

/**
 * Waits as long as it may for the end. Throws `sync_wait_exceeded` when the time is up: the run goes on, and its
 * answer is to be had later. Resolves with `left` when the client went away before.
 */
export async function waitForEnd(
  waiter: EndWaiter,
  following: Following,
  reply: FastifyReply,
  options: { rid: RunId; location: string; waitMs: number },
): Promise<EndedRun | undefined | 'left'> {
  const { promise: stopped, resolve, reject } = Promise.withResolvers<'left'>()
  const timer = setTimeout(() => {
    reply.header('location', options.location)
    reject(waitExceeded(options.rid))
  }, options.waitMs)
  const onClose = (): void => {
    if (!reply.raw.writableEnded) resolve('left')
  }
  if (reply.raw.closed) onClose()
  else reply.raw.once('close', onClose)
  try {
    return await Promise.race([waiter.ended, stopped])
  } finally {
    clearTimeout(timer)
    reply.raw.removeListener('close', onClose)
    following.stop()
  }
}

function waitExceeded(rid: RunId): GatewayError {
  return new GatewayError(
    'sync_wait_exceeded',
    `The answer is not there yet. The run goes on: ask for ${rid} later, as the Location header says.`,
  )
}

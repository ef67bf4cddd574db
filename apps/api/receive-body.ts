import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Writable } from 'node:stream'
import { GatewayError, keepMemoryFlat } from '#libs/core'
import { endTakingLong, letTakeLong } from './long-uploads.ts'

const lookEveryMs = 10_000
/** Longer than the object store may make a sender wait. */
const silenceMs = 60_000

/**
 * Hands a large body to who reads it, as it comes and only as fast as that one takes it. Resolves when all of it was
 * taken; rejects when the sender leaves or falls silent, when `sink` fails, or when `failed` does. Then the rest of
 * the body is thrown away and the connection left open, so that the client hears why.
 */
export async function receiveBody(
  source: IncomingMessage,
  sink: Writable,
  failed: Promise<never>,
): Promise<void> {
  const { socket } = source
  letTakeLong(socket)
  const stopped = Promise.withResolvers<never>()
  const stop = (reason: string, status = 400): void =>
    stopped.reject(new GatewayError('invalid_request', reason, { status }))
  const onClose = (): void => {
    if (!source.readableEnded) stop('The request broke off before its end.')
  }
  source.once('close', onClose)
  let received = socket.bytesRead
  const notePassed = keepMemoryFlat()
  let heardAtMs = performance.now()
  const watch = setInterval(() => {
    if (socket.bytesRead !== received) heardAtMs = performance.now()
    received = socket.bytesRead
    if (performance.now() - heardAtMs > silenceMs) stop('The request did not come to its end in time.', 408)
  }, lookEveryMs)
  try {
    source.on('data', (piece: Buffer) => notePassed(piece.length))
    source.pipe(sink)
    await Promise.race([once(sink, 'finish'), stopped.promise, failed])
  } finally {
    clearInterval(watch)
    source.removeListener('close', onClose)
    source.unpipe(sink)
    source.resume()
    endTakingLong(socket)
  }
}

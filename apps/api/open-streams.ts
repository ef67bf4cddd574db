/** A stream that is being delivered over a connection that may fall silent or slow. */
export interface OpenStream {
  /** Called about once a second, with the time. */
  tick(nowMs: number): void
}

/** All streams of the process, looked after by one timer. */
export interface OpenStreams {
  add(stream: OpenStream): void
  remove(stream: OpenStream): void
  readonly keepAliveMs: number
  readonly streamCommitMs: number
  readonly stuckReaderMs: number
  close(): void
}

const tickMs = 1_000

export function createOpenStreams(
  options: Pick<OpenStreams, 'keepAliveMs' | 'streamCommitMs' | 'stuckReaderMs'>,
): OpenStreams {
  const streams = new Set<OpenStream>()
  const timer = setInterval(() => {
    const nowMs = Date.now()
    for (const stream of streams) stream.tick(nowMs)
  }, tickMs)
  return {
    add: (stream) => void streams.add(stream),
    remove: (stream) => void streams.delete(stream),
    keepAliveMs: options.keepAliveMs,
    streamCommitMs: options.streamCommitMs,
    stuckReaderMs: options.stuckReaderMs,
    close: () => clearInterval(timer),
  }
}

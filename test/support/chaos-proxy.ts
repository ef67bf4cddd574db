import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** What befalls the bytes of every connection, old and new, until the next `set`. */
export interface Chaos {
  /** Each piece waits so long, in both directions. */
  latencyMs?: number
  /** The connections stay open and nothing passes: a half-open network. */
  blackhole?: boolean
  /** A connection whose answer comes meanwhile loses it and all after it, and is reset a moment later. */
  dropReplies?: boolean
  /** Pieces of so many bytes, each written by itself. */
  sliceBytes?: number
  /** The most that passes to a client. */
  bytesPerSecond?: number
}

export interface ChaosProxy {
  port: number
  /** Takes effect at once; `{}` is a plain proxy. */
  set(chaos: Chaos): void
  /** Ends every open connection with RST. */
  reset(): void
  /** Lets new connections through; those that were caught in the blackhole stay there. */
  freeze(): void
  close(): Promise<void>
}

const doomMs = 20

/** A TCP proxy on a free port of 127.0.0.1 that misbehaves as it is told. */
export async function startChaosProxy(targetPort: number): Promise<ChaosProxy> {
  let chaos: Chaos = {}
  const sockets = new Set<Socket>()
  const held: (() => void)[] = []

  const server = createServer((client) => {
    const upstream = connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
    let isDoomed = false
    const end = (): void => {
      for (const socket of [client, upstream]) socket.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', end).on('close', () => {
        sockets.delete(socket)
        end()
      })
    }
    client.setNoDelay(true)
    pass(client, upstream, () => false)
    pass(upstream, client, () => {
      if (!chaos.dropReplies && !isDoomed) return false
      if (!isDoomed) setTimeout(() => client.resetAndDestroy(), doomMs)
      isDoomed = true
      return true
    })
  })

  /** Pieces keep their order: each waits for the one before it. */
  function pass(from: Socket, to: Socket, isDropped: () => boolean): void {
    let waiting = 0
    let last = Promise.resolve()
    from.on('data', (piece: Buffer) => {
      if (chaos.blackhole) {
        from.pause()
        held.push(() => from.resume())
        return
      }
      if (isDropped()) return
      const { latencyMs = 0, sliceBytes = piece.length, bytesPerSecond } = chaos
      // What still waits goes first, also when the chaos is over: TCP never changes the order of bytes.
      if (waiting === 0 && latencyMs === 0 && bytesPerSecond === undefined && sliceBytes === piece.length) {
        if (!to.write(piece)) {
          from.pause()
          to.once('drain', () => from.resume())
        }
        return
      }
      const dueMs = performance.now() + latencyMs
      waiting += 1
      last = last.then(async () => {
        await wait(dueMs - performance.now())
        for (let at = 0; at < piece.length && !to.destroyed; at += sliceBytes) {
          const slice = piece.subarray(at, at + sliceBytes)
          to.write(slice)
          await wait(bytesPerSecond === undefined ? 0 : (slice.length / bytesPerSecond) * 1000)
        }
        waiting -= 1
      })
    })
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('A TCP server has no port.')
  return {
    port: address.port,
    set(next) {
      chaos = next
      if (!next.blackhole) for (const resume of held.splice(0)) resume()
    },
    reset() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    freeze() {
      held.length = 0
      chaos = {}
    },
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function wait(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms))
}

import { GatewayError } from '#libs/core'

/** Work with a name: what has the same name is done one after the other, in the order in which it came. */
export interface Turns {
  /** Does the work, which never rejects, when it is its turn. Throws `rate_limit_exceeded` if too much waits already. */
  take(name: string, bytes: number, work: () => Promise<void>): void
  /** Forgets what waits. */
  clear(): void
}

interface Waiting {
  bytes: number
  work: () => Promise<void>
}

export function createTurns(maxWaitingBytes: number): Turns {
  /** What waits behind the work that is being done, by name; there is none where nothing is done. */
  const queues = new Map<string, Waiting[]>()
  let waitingBytes = 0

  async function workOff(name: string, queue: Waiting[], first: () => Promise<void>): Promise<void> {
    await first()
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      waitingBytes -= next.bytes
      await next.work()
    }
    queues.delete(name)
  }

  return {
    take(name, bytes, work) {
      const queue = queues.get(name)
      if (queue === undefined) {
        const begun: Waiting[] = []
        queues.set(name, begun)
        void workOff(name, begun, work)
        return
      }
      if (waitingBytes + bytes > maxWaitingBytes) {
        throw new GatewayError(
          'rate_limit_exceeded',
          'Too many requests of this connection wait for their turn. Send it again when one has ended.',
        )
      }
      waitingBytes += bytes
      queue.push({ bytes, work })
    },
    clear() {
      for (const queue of queues.values()) queue.length = 0
      waitingBytes = 0
    },
  }
}

import type { RunId } from '#libs/core'
import { channels, type Redis } from '#libs/redis'
import {
  finish,
  hear,
  readPage,
  requestRead,
  type Follower,
  type FollowerHost,
  type Reader,
} from './follower.ts'
import { parseMessage } from './log-entry.ts'
import { beforeAll, type Cursor, type StreamLog } from './stream-log.ts'

/** A reader's hold on its run, from the start of following to its end. */
export interface Following {
  /** The reader has room again. */
  resume(): void
  /** The reader leaves. Idempotent. */
  stop(): void
}

/** All the followers of one process, and the one connection by which they hear. */
export interface Readers {
  /** The channel on which this process hears of the runs that it accepted. */
  readonly homeChannel: string
  /** Follows a run that is not accepted yet and whose home is this process: there is nothing to read first. */
  followNew(rid: RunId, tenant: string, reader: Reader): Following
  /** Follows any run from a cursor on: subscribes, awaits the acknowledgement, and only then reads the log. */
  follow(rid: RunId, tenant: string, cursor: Cursor, reader: Reader): Following
  readonly count: number
  close(): void
}

export interface ReadersOptions {
  /** A connection of its own (purpose `subscriber`); closed by its owner. */
  subscriber: Redis
  log: StreamLog
  /** Names this process among all that share the Redis. */
  process: string
  onError: (error: unknown) => void
}

/** So many pages are fetched at a time: a herd that comes back must not flood Redis. */
const readsAtOnce = 50
const watchdogIntervalMs = 1_000
/** A follower that heard nothing for so long reads the log, since a message may have been lost. */
const silenceMs = 5_000

/** Subscribes to the home channel, and resolves when Redis has acknowledged it. */
export async function createReaders(options: ReadersOptions): Promise<Readers> {
  const { subscriber, log, onError } = options
  const homeChannel = channels.home(options.process)
  const registry = createRegistry(subscriber, onError)
  const host: FollowerHost = {
    log,
    schedule: createReadQueue((follower) => readPage(host, follower), onError),
    onDone: (follower) => registry.remove(follower),
  }

  function start(follower: Follower): Following {
    registry.add(follower)
    return {
      resume() {
        if (follower.state === 'full') requestRead(host, follower)
      },
      stop: () => finish(host, follower),
    }
  }

  subscriber.on('message', (channel: string, message: string) => {
    if (channel === channels.circuits) return
    const { rid, entry } = parseMessage(message)
    const isHome = channel === homeChannel
    for (const follower of registry.of(rid)) if (follower.home === isHome) hear(host, follower, entry)
  })
  subscriber.on('ready', () => {
    for (const follower of registry.all()) if (follower.state !== 'full') requestRead(host, follower)
  })
  const watchdog = setInterval(() => {
    const silentSince = Date.now() - silenceMs
    for (const follower of registry.all()) {
      if (follower.state === 'live' && follower.heardAt < silentSince) requestRead(host, follower)
    }
    // A half-open connection shows itself by an unanswered ping: `socketTimeout` then ends it.
    subscriber.ping().catch(onError)
  }, watchdogIntervalMs)
  await subscriber.subscribe(homeChannel)

  return {
    homeChannel,
    followNew: (rid, tenant, reader) => start(newFollower(rid, tenant, reader, beforeAll, true)),
    follow(rid, tenant, cursor, reader) {
      const follower = newFollower(rid, tenant, reader, cursor, false)
      const following = start(follower)
      registry.subscribed(rid).then(
        () => requestRead(host, follower),
        (error: unknown) => finish(host, follower, () => reader.lost(error)),
      )
      return following
    },
    get count() {
      return registry.count
    },
    close: () => clearInterval(watchdog),
  }
}

function newFollower(rid: RunId, tenant: string, reader: Reader, cursor: Cursor, home: boolean): Follower {
  // A follower that must read first begins as one that is full: it is deaf until it has read.
  const state = home ? 'live' : 'full'
  return {
    rid,
    tenant,
    reader,
    home,
    cursor,
    state,
    stale: false,
    heardAt: Date.now(),
    missingSince: undefined,
  }
}

function createReadQueue(
  read: (follower: Follower) => Promise<void>,
  onError: (error: unknown) => void,
): (follower: Follower) => void {
  const queue: Follower[] = []
  let reads = 0
  function pump(): void {
    while (reads < readsAtOnce) {
      const follower = queue.shift()
      if (follower === undefined) return
      reads += 1
      read(follower)
        .catch((error: unknown) => {
          // The watchdog tries again: a Redis that is away for a moment must not cost a reader its stream.
          if (follower.state === 'reading') follower.state = 'live'
          onError(error)
        })
        .finally(() => {
          reads -= 1
          pump()
        })
    }
  }
  return (follower) => {
    queue.push(follower)
    pump()
  }
}

/** The followers by run, and the subscriptions of those that came from elsewhere. */
function createRegistry(subscriber: Redis, onError: (error: unknown) => void) {
  const followers = new Map<RunId, Set<Follower>>()
  const subscriptions = new Map<RunId, Promise<unknown>>()
  let count = 0
  const isVisited = (rid: RunId): boolean =>
    [...(followers.get(rid) ?? [])].some((follower) => !follower.home)
  return {
    get count() {
      return count
    },
    of: (rid: RunId): Iterable<Follower> => followers.get(rid) ?? [],
    *all(): Iterable<Follower> {
      for (const set of followers.values()) yield* set
    },
    add(follower: Follower): void {
      const set = followers.get(follower.rid)
      if (set === undefined) followers.set(follower.rid, new Set([follower]))
      else set.add(follower)
      count += 1
    },
    remove(follower: Follower): void {
      const { rid } = follower
      const set = followers.get(rid)
      set?.delete(follower)
      if (set?.size === 0) followers.delete(rid)
      count -= 1
      if (!follower.home && !isVisited(rid) && subscriptions.delete(rid)) {
        subscriber.unsubscribe(channels.run(rid)).catch(onError)
      }
    },
    subscribed(rid: RunId): Promise<unknown> {
      let acknowledged = subscriptions.get(rid)
      if (acknowledged === undefined) {
        acknowledged = subscriber.subscribe(channels.run(rid))
        subscriptions.set(rid, acknowledged)
        // The next one who comes to the run is to try anew.
        acknowledged.catch(() => subscriptions.delete(rid))
      }
      return acknowledged
    },
  }
}

import { keys, type Redis } from '#libs/redis'
import type { Delivery } from './delivery.ts'

/** The deliveries of all endpoints, with a bounded history of each. */
export interface Deliveries {
  /**
   * Writes a new one down, unless it is there already: then that one is given back. `dropped` is how many older ones
   * that were not done with had to make room.
   */
  open(delivery: Delivery): Promise<{ delivery: Delivery; dropped: number }>
  find(id: string): Promise<Delivery | undefined>
  /** Writes down how one stands; one that was dropped meanwhile stays dropped. */
  save(delivery: Delivery): Promise<void>
  /** Newest first, behind `after`. */
  list(endpointId: string, query: DeliveryQuery): Promise<{ deliveries: Delivery[]; hasMore: boolean }>
  /** Those whose next attempt should have been so long ago, most overdue first. */
  overdue(byMs: number, limit: number): Promise<string[]>
  /** How many are not done with, and by how much the most overdue one is late. */
  backlog(): Promise<{ count: number; latenessMs: number }>
  /** Forgets all that belongs to an endpoint. */
  forget(endpointId: string): Promise<void>
  /** Notes that the endpoint has taken nothing; gives since when that is so without a pause. */
  noteFailure(endpointId: string, atMs: number): Promise<number>
  noteSuccess(endpointId: string): Promise<void>
}

export interface DeliveryQuery {
  after?: string | undefined
  limit: number
  status?: Delivery['status'] | undefined
}

/** How long one can be looked at and begun again when it is done with. */
const finishedLifetimeMs = 7 * 24 * 60 * 60_000
const readAtOnce = 200
const removedAtOnce = 500
/** That an endpoint has failed is forgotten after so long, since it may long be well and nothing be sent to it. */
const failingLifetimeMs = 30 * 24 * 60 * 60_000

/** The records in Redis, on a connection that stays its owner's; `kept`: the newest of each endpoint that are kept. */
export function createDeliveries(redis: Redis, { kept }: { kept: number }): Deliveries {
  return {
    open: (delivery) => openDelivery(redis, delivery, kept),
    find: (id) => findDelivery(redis, id),
    save: (delivery) => saveDelivery(redis, delivery),
    list: (endpointId, query) => listDeliveries(redis, endpointId, query),
    overdue(byMs, limit) {
      return redis.zrangebyscore(keys.webhooksPending, '-inf', Date.now() - byMs, 'LIMIT', 0, limit)
    },
    async backlog() {
      const [count, first] = await Promise.all([
        redis.zcard(keys.webhooksPending),
        redis.zrange(keys.webhooksPending, '0', '0', 'WITHSCORES'),
      ])
      const dueAtMs = first[1] === undefined ? Number.POSITIVE_INFINITY : Number(first[1])
      return { count, latenessMs: Math.max(0, Date.now() - dueAtMs) }
    },
    async forget(endpointId) {
      let removed: number | undefined
      do removed = await removeOldest(redis, endpointId, removedAtOnce)
      while (removed !== undefined)
      await redis.del(keys.webhookFailing(endpointId))
    },
    async noteFailure(endpointId, atMs) {
      const key = keys.webhookFailing(endpointId)
      const isFirst = await redis.set(key, atMs, 'PX', failingLifetimeMs, 'NX')
      return isFirst === null ? Number((await redis.get(key)) ?? atMs) : atMs
    },
    async noteSuccess(endpointId) {
      await redis.del(keys.webhookFailing(endpointId))
    },
  }
}

async function findDelivery(redis: Redis, id: string): Promise<Delivery | undefined> {
  const text = await redis.get(keys.webhookDelivery(id))
  return text === null ? undefined : (JSON.parse(text) as Delivery)
}

async function openDelivery(
  redis: Redis,
  delivery: Delivery,
  kept: number,
): Promise<{ delivery: Delivery; dropped: number }> {
  const { id, endpointId, createdAtMs } = delivery
  const isNew = await redis.set(keys.webhookDelivery(id), JSON.stringify(delivery), 'NX')
  const held = isNew === null ? await findDelivery(redis, id) : delivery
  if (held?.status !== 'pending') return { delivery: held ?? delivery, dropped: 0 }
  const list = keys.webhookDeliveries(endpointId)
  // Also of one that was there: whoever wrote it down may have come no further.
  await redis.zadd(list, 'NX', createdAtMs, id)
  await redis.zadd(keys.webhooksPending, 'NX', held.nextAttemptAtMs ?? createdAtMs, id)
  const surplus = (await redis.zcard(list)) - kept
  const dropped = surplus > 0 ? await removeOldest(redis, endpointId, surplus) : 0
  return { delivery: held, dropped: dropped ?? 0 }
}

async function saveDelivery(redis: Redis, delivery: Delivery): Promise<void> {
  const { id, status, nextAttemptAtMs } = delivery
  const key = keys.webhookDelivery(id)
  const text = JSON.stringify(delivery)
  if (status !== 'pending') {
    await redis.set(key, text, 'PX', finishedLifetimeMs, 'XX')
    await redis.zrem(keys.webhooksPending, id)
    return
  }
  const saved = await redis.set(key, text, 'XX')
  if (saved === null) await redis.zrem(keys.webhooksPending, id)
  else await redis.zadd(keys.webhooksPending, nextAttemptAtMs ?? Date.now(), id)
}

/** Gives how many of them were not done with; `undefined` when none was left. */
async function removeOldest(redis: Redis, endpointId: string, count: number): Promise<number | undefined> {
  const list = keys.webhookDeliveries(endpointId)
  const oldest = await redis.zrange(list, '0', String(Math.min(count, removedAtOnce) - 1))
  if (oldest.length === 0) return undefined
  // The list forgets last, since it is where the rest is found.
  await redis.del(...oldest.map((id) => keys.webhookDelivery(id)))
  const dropped = await redis.zrem(keys.webhooksPending, ...oldest)
  await redis.zrem(list, ...oldest)
  return dropped
}

/** Reads on until the page is full, since a record may have expired before its place in the list is taken. */
async function listDeliveries(
  redis: Redis,
  endpointId: string,
  { after, limit, status }: DeliveryQuery,
): ReturnType<Deliveries['list']> {
  const list = keys.webhookDeliveries(endpointId)
  const rank = after === undefined ? -1 : await redis.zrevrank(list, after)
  // It was the oldest when it gave way, so none is behind it.
  if (rank === null) return { deliveries: [], hasMore: false }
  const deliveries: Delivery[] = []
  for (let start = rank + 1; deliveries.length <= limit; start += readAtOnce) {
    const ids = await redis.zrevrange(list, start, start + readAtOnce - 1)
    if (ids.length === 0) break
    const texts = await redis.mget(ids.map((id) => keys.webhookDelivery(id)))
    const found = texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as Delivery]))
    deliveries.push(...found.filter((delivery) => status === undefined || delivery.status === status))
  }
  return { deliveries: deliveries.slice(0, limit), hasMore: deliveries.length > limit }
}

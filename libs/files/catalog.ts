import type { Redis } from '#libs/redis'
import type { ObjectStore } from '#libs/storage'

/**
 * Records of one kind, a small object each, in the order of their ids, which is that of their making. The object store
 * is the truth, also for what a list holds; Redis only saves it from being read for every record of every list, and
 * may forget.
 */
export interface Catalog<Item> {
  put(tenant: string, id: string, item: Item): Promise<void>
  get(tenant: string, id: string): Promise<Item | undefined>
  list(tenant: string, query: CatalogQuery<Item>): Promise<CatalogPage<Item>>
  delete(tenant: string, id: string): Promise<void>
}

/** A page of a tenant's records. */
export interface CatalogQuery<Item> {
  /** What the ids begin with, where a catalog holds several kinds. */
  idPrefix?: string
  order: 'asc' | 'desc'
  limit: number
  /** The page begins behind this id, which need not be there any more. */
  after?: string | undefined
  /** The page ends in front of this id; not together with `after`. */
  before?: string | undefined
  /** Leaves out what it says no to. */
  keep?: (item: Item) => boolean
}

/** What a list found, in the order that was asked for. */
export interface CatalogPage<Item> {
  items: Item[]
  hasMore: boolean
}

/** Where a catalog's records are. */
export interface CatalogOptions {
  objects: ObjectStore
  redis: Redis
  /** The first part of the objects' keys. */
  folder: string
  /** The hash in which Redis keeps a tenant's records. */
  cacheKey: (tenant: string) => string
}

const cachedMs = 60 * 60 * 1000
const readsAtOnce = 8
/** With a filter, more must be read than is found; so many at a time. */
const smallestRead = 20
const largestRead = 500

/** The catalog below `folder`; the connections stay their owner's. */
export function createCatalog<Item>(options: CatalogOptions): Catalog<Item> {
  const { objects, redis, folder, cacheKey } = options
  const prefixOf = (tenant: string): string => `${folder}/${tenant}/records/`
  const keyOf = (tenant: string, id: string): string => `${prefixOf(tenant)}${id}.json`

  /** What was read is no news: it must not replace what was written meanwhile. */
  async function remember(tenant: string, records: readonly [id: string, json: string][]): Promise<void> {
    for (const [id, json] of records) await redis.hsetnx(cacheKey(tenant), id, json)
    if (records.length > 0) await redis.pexpire(cacheKey(tenant), cachedMs)
  }

  async function readMany(tenant: string, ids: readonly string[]): Promise<(Item | undefined)[]> {
    const found = await redis.hmget(cacheKey(tenant), ...ids)
    const missing = ids.flatMap((id, at) => (found[at] === null ? [{ id, at }] : []))
    const read: [string, string][] = []
    const rest = missing.values()
    const lanes = Array.from({ length: readsAtOnce }, async () => {
      for (const { id, at } of rest) {
        const json = (await objects.get(keyOf(tenant, id)))?.toString()
        if (json === undefined) continue
        found[at] = json
        read.push([id, json])
      }
    })
    await Promise.all(lanes)
    await remember(tenant, read)
    return found.map((json) => (json == null ? undefined : (JSON.parse(json) as Item)))
  }

  return {
    async put(tenant, id, item) {
      const json = JSON.stringify(item)
      await objects.put(keyOf(tenant, id), Buffer.from(json))
      await redis.hset(cacheKey(tenant), id, json)
      await redis.pexpire(cacheKey(tenant), cachedMs)
    },
    async get(tenant, id) {
      const [item] = await readMany(tenant, [id])
      return item
    },
    async list(tenant, { idPrefix = '', order, limit, after, before, keep = () => true }) {
      const start = prefixOf(tenant)
      const keys = await objects.list(start + idPrefix)
      const ids = keys.map((key) => key.slice(start.length, -'.json'.length))
      // What ends in front of an id is found by going back from it.
      const isAscending = (order === 'asc') === (before === undefined)
      const rest = beyond(isAscending ? ids : ids.toReversed(), before ?? after, isAscending)
      const items: Item[] = []
      for (let at = 0; at < rest.length && items.length <= limit;) {
        const wanted = Math.min(Math.max(limit + 1 - items.length, smallestRead), largestRead)
        const read = await readMany(tenant, rest.slice(at, at + wanted))
        items.push(...read.filter((item) => item !== undefined).filter(keep))
        at += wanted
      }
      const page = items.slice(0, limit)
      return { items: before === undefined ? page : page.toReversed(), hasMore: items.length > limit }
    },
    async delete(tenant, id) {
      await objects.delete(keyOf(tenant, id))
      await redis.hdel(cacheKey(tenant), id)
    },
  }
}

/** Those behind an id, by their order and not by its place: it may have been deleted. */
function beyond(ids: string[], id: string | undefined, isAscending: boolean): string[] {
  if (id === undefined) return ids
  const first = ids.findIndex((other) => (isAscending ? other > id : other < id))
  return first === -1 ? [] : ids.slice(first)
}

import { runIdTimeMs, type RunId } from '#libs/core'
import { defineScript, keys, type Redis } from '#libs/redis'
import { fromFields, runFields } from './run-fields.ts'
import type { Backlog, Recovered, RunQueries, RunQuery } from './run-store.ts'

const tenantField = runFields.indexOf('tenant')
const deletedField = runFields.indexOf('deleted')

/** The half of the store that changes nothing. */
export function createRunQueries(redis: Redis): RunQueries {
  const overdue = defineScript(redis, new URL('overdue-1.lua', import.meta.url))
  const oldest = async (key: string, ageMs: number, limit: number) =>
    (await overdue([key], [ageMs, limit])) as RunId[]
  return {
    async get(rid, tenant) {
      const fields = await redis.hmget(keys.run(rid), ...runFields)
      const isDeleted = fields[deletedField] !== null && fields[tenantField] === tenant
      return isDeleted ? 'deleted' : fromFields(fields, tenant)
    },
    async body(rid) {
      return (await redis.hget(keys.run(rid), 'body')) ?? undefined
    },
    async metadata(rid, tenant) {
      const text = await redis.hget(keys.metadataOf(tenant), rid)
      return text === null ? undefined : (JSON.parse(text) as Record<string, string>)
    },
    async inspect(rid) {
      const fields = await redis.hmget(keys.run(rid), ...runFields)
      return fromFields(fields.with(deletedField, null))
    },
    list: (tenant, query) => listRuns(redis, tenant, query),
    unarchived: (ageMs, limit) => oldest(keys.outbox, ageMs, limit),
    abandoned: (ageMs, limit) => oldest(keys.running, ageMs, limit),
    overdue: (limit) => oldest(keys.deadlines, 0, limit),
    waitingLong: (provider, ageMs, limit) => oldest(keys.waiting(provider), ageMs, limit),
    dead: (limit) => redis.zrevrange(keys.dead, 0, limit - 1),
    waiting: (provider) => readBacklog(redis, keys.waiting(provider)),
    outbox: () => readBacklog(redis, keys.outbox),
    async position(rid, provider) {
      return (await redis.zrank(keys.waiting(provider), rid)) ?? undefined
    },
    async finished(rids) {
      const recovered: Recovered = { runs: [], unwanted: [] }
      await Promise.all(rids.map((rid) => readFinished(redis, rid, recovered)))
      return recovered
    },
  }
}

async function listRuns(
  redis: Redis,
  tenant: string,
  query: RunQuery,
): Promise<{ rids: RunId[]; hasMore: boolean }> {
  const { stored, after, limit, order, createdFromMs, createdBeforeMs } = query
  const key = stored ? keys.storedOf(tenant) : keys.runsOf(tenant)
  const newestFirst = order === 'desc'
  const [next, first] = await Promise.all([
    after === undefined ? 0 : placeAfter(redis, key, after, newestFirst),
    placeOfFirst(redis, key, query),
  ])
  const start = Math.max(next, first)
  const range = [String(start), String(start + limit)] as const
  const found = newestFirst ? await redis.zrevrange(key, ...range) : await redis.zrange(key, ...range)
  const rids = found.filter((rid) => {
    const time = runIdTimeMs(rid)
    return time >= (createdFromMs ?? time) && time < (createdBeforeMs ?? Number.POSITIVE_INFINITY)
  })
  return { rids: rids.slice(0, limit), hasMore: rids.length > limit }
}

/** How many come before the first that was created in the range. */
async function placeOfFirst(
  redis: Redis,
  key: string,
  { order, createdFromMs, createdBeforeMs }: RunQuery,
): Promise<number> {
  if (order === 'desc') {
    return createdBeforeMs === undefined ? 0 : redis.zcount(key, createdBeforeMs, '+inf')
  }
  return createdFromMs === undefined ? 0 : redis.zcount(key, '-inf', `(${createdFromMs}`)
}

/** Where a page goes on. An item that was deleted meanwhile has left a gap in the order, which its id tells. */
async function placeAfter(redis: Redis, key: string, after: RunId, newestFirst: boolean): Promise<number> {
  const rank = newestFirst ? await redis.zrevrank(key, after) : await redis.zrank(key, after)
  if (rank !== null) return rank + 1
  const time = runIdTimeMs(after)
  const [count, older, twins] = await Promise.all([
    redis.zcard(key),
    redis.zcount(key, '-inf', `(${time}`),
    redis.zrangebyscore(key, time, time),
  ])
  const before = older + twins.filter((rid) => rid < after).length
  return newestFirst ? count - before : before
}

async function readBacklog(redis: Redis, key: string): Promise<Backlog> {
  const [count, oldest, time] = await Promise.all([
    redis.zcard(key),
    redis.zrange(key, '0', '0', 'WITHSCORES'),
    redis.time(),
  ])
  const nowMs = Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000)
  return { count, oldestAgeMs: oldest[1] === undefined ? 0 : Math.max(0, nowMs - Number(oldest[1])) }
}

async function readFinished(redis: Redis, rid: RunId, recovered: Recovered): Promise<void> {
  const [fields, [body, answer], entries] = await Promise.all([
    redis.hmget(keys.run(rid), ...runFields),
    redis.hmget(keys.run(rid), 'body', 'answer'),
    redis.xrange(keys.log(rid), '-', '+'),
  ])
  const run = fromFields(fields)
  if (run?.end == null) {
    recovered.unwanted.push({ rid, tenant: fields[tenantField] ?? undefined })
    return
  }
  const log = entries
    .map(([, values]) => ({
      count: values[values.indexOf('n') + 1],
      payload: values[values.indexOf('d') + 1] ?? '',
    }))
    .filter((entry) => entry.count !== '0')
    .map((entry) => entry.payload)
    .join('\n')
  recovered.runs.push({ run: { ...run, end: run.end }, body: body ?? '', log: answer ?? log })
}

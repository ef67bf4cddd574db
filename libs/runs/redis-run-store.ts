import type { RunId } from '#libs/core'
import { bodyPrefix, channels, defineScript, keys, logPrefix, runPrefix, type Redis } from '#libs/redis'
import { fromFields, runFields } from './run-fields.ts'
import type { Run, RunSpec, RunState } from './run.ts'
import type { AcceptResult, ClaimResult, FinishedRun, RunQuery, RunStore } from './run-store.ts'

/** A worker says every few seconds that it lives; after so long a silence it is taken for dead. */
export const silentWorkerMs = 12_000
const listedRuns = 100_000
const idempotencyLifetimeMs = 24 * 60 * 60 * 1000

export function createRedisRunStore(redis: Redis, options: { retainMs: number }): RunStore {
  const script = (file: string) => defineScript(redis, new URL(file, import.meta.url))
  const accept = script('accept-6.lua')
  const claim = script('claim-4.lua')
  const end = script('end-4.lua')
  const cancel = script('cancel-4.lua')
  const remove = script('delete-5.lua')
  const settle = script('settle-1.lua')
  const beat = script('beat-1.lua')
  const overdue = script('overdue-1.lua')
  const oldest = async (key: string, ageMs: number, limit: number) =>
    (await overdue([key], [ageMs, limit])) as RunId[]

  return {
    async accept({ spec, body, homeChannel, bufferSize, idempotency }) {
      const { rid, tenant, provider, store } = spec
      const reply = await accept(
        [
          keys.run(rid),
          keys.body(rid),
          keys.waiting(provider),
          keys.runsOf(tenant),
          keys.storedOf(tenant),
          keys.idempotency(tenant, idempotency?.keyDigest ?? ''),
        ],
        [
          ...[rid, tenant, JSON.stringify(spec), body, homeChannel, provider, bufferSize, listedRuns],
          ...[store ? '1' : '0', idempotency?.bodyDigest ?? '', idempotencyLifetimeMs],
        ],
      )
      return toAcceptResult(reply as [AcceptResult['status'], (string | number)?])
    },
    async claim(rid, provider) {
      const reply = await claim(
        [keys.run(rid), keys.body(rid), keys.waiting(provider), keys.running],
        [rid, silentWorkerMs],
      )
      return toClaimResult(reply as [string, ...never[]])
    },
    async end(ending) {
      const { spec, epoch, homeChannel, entry } = ending
      const { rid } = spec
      const record = JSON.stringify(ending.end)
      return (await end(
        [keys.run(rid), keys.log(rid), keys.running, keys.outbox],
        [rid, epoch, entry.seq, entry.count, record, entry.payload, homeChannel, channels.run(rid)],
      )) as 'ended' | 'fenced' | 'missing'
    },
    async cancel(spec, record, frame) {
      const { rid, tenant, provider } = spec
      const reply = await cancel(
        [keys.run(rid), keys.log(rid), keys.waiting(provider), keys.outbox],
        [rid, tenant, JSON.stringify(record), frame, channels.run(rid), channels.cancel],
      )
      return (reply ?? 'unknown') as 'unknown' | 'ended' | 'cancelled' | 'requested'
    },
    async delete(rid, tenant) {
      const runKeys = [
        keys.run(rid),
        keys.body(rid),
        keys.log(rid),
        keys.runsOf(tenant),
        keys.storedOf(tenant),
      ]
      return ((await remove(runKeys, [rid, tenant])) ?? 'unknown') as 'unknown' | 'forgotten' | 'marked'
    },
    async get(rid, tenant) {
      return fromFields(await redis.hmget(keys.run(rid), ...runFields), tenant)
    },
    list: (tenant, query) => listRuns(redis, tenant, query),
    async beat(rids) {
      await beat([keys.running], rids)
    },
    async settle(rids) {
      const prefixes = [runPrefix, bodyPrefix, logPrefix, options.retainMs]
      return (await settle([keys.outbox], [...prefixes, ...rids])) as RunId[]
    },
    unarchived: (ageMs, limit) => oldest(keys.outbox, ageMs, limit),
    abandoned: (ageMs, limit) => oldest(keys.running, ageMs, limit),
    waitingLong: (provider, ageMs, limit) => oldest(keys.waiting(provider), ageMs, limit),
    waiting: (provider) => readWaiting(redis, keys.waiting(provider)),
    async position(rid, provider) {
      return (await redis.zrank(keys.waiting(provider), rid)) ?? undefined
    },
    outboxCount: () => redis.zcard(keys.outbox),
    async finished(rids) {
      const found = await Promise.all(rids.map((rid) => readFinished(redis, rid)))
      return found.flatMap((run) => run ?? [])
    },
  }
}

async function listRuns(
  redis: Redis,
  tenant: string,
  query: RunQuery,
): Promise<{ runs: Run[]; hasMore: boolean }> {
  const { stored, after, limit, order } = query
  const key = stored ? keys.storedOf(tenant) : keys.runsOf(tenant)
  const newestFirst = order === 'desc'
  let start = 0
  if (after !== undefined) {
    const rank = newestFirst ? await redis.zrevrank(key, after) : await redis.zrank(key, after)
    if (rank === null) return { runs: [], hasMore: false }
    start = rank + 1
  }
  const range = [String(start), String(start + limit)] as const
  const rids = newestFirst ? await redis.zrevrange(key, ...range) : await redis.zrange(key, ...range)
  const records = await Promise.all(
    rids.slice(0, limit).map((rid) => redis.hmget(keys.run(rid), ...runFields)),
  )
  const runs = records.flatMap((fields) => fromFields(fields, tenant) ?? [])
  return { runs, hasMore: rids.length > limit }
}

async function readWaiting(redis: Redis, key: string): Promise<{ count: number; oldestAgeMs: number }> {
  const [count, oldest, time] = await Promise.all([
    redis.zcard(key),
    redis.zrange(key, '0', '0', 'WITHSCORES'),
    redis.time(),
  ])
  const nowMs = Number(time[0]) * 1000 + Math.floor(Number(time[1]) / 1000)
  return { count, oldestAgeMs: oldest[1] === undefined ? 0 : Math.max(0, nowMs - Number(oldest[1])) }
}

function toAcceptResult([status, detail]: [AcceptResult['status'], (string | number)?]): AcceptResult {
  if (status === 'attached') return { status, rid: String(detail) }
  if (status === 'queue_full') return { status, waiting: Number(detail) }
  return { status }
}

function toClaimResult(reply: readonly unknown[]): ClaimResult {
  const status = reply[0] as ClaimResult['status']
  if (status === 'run') {
    const [, epoch, spec, body, homeChannel, claimedAtMs] = reply as [
      string,
      number,
      string,
      string | null,
      string,
      number,
    ]
    return { status, epoch, spec: JSON.parse(spec) as RunSpec, body: body ?? '', homeChannel, claimedAtMs }
  }
  if (status === 'salvage') {
    const [, epoch, spec, homeChannel, state] = reply as [string, number, string, string, RunState]
    return { status, epoch, spec: JSON.parse(spec) as RunSpec, homeChannel, state }
  }
  return { status }
}

async function readFinished(redis: Redis, rid: RunId): Promise<FinishedRun | undefined> {
  const [fields, body, entries] = await Promise.all([
    redis.hmget(keys.run(rid), ...runFields),
    redis.get(keys.body(rid)),
    redis.xrange(keys.log(rid), '-', '+'),
  ])
  const run = fromFields(fields)
  if (run?.end == null) return undefined
  const log = entries
    .map(([, values]) => ({
      count: values[values.indexOf('n') + 1],
      payload: values[values.indexOf('d') + 1] ?? '',
    }))
    .filter((entry) => entry.count !== '0')
    .map((entry) => entry.payload)
    .join('\n')
  return { run: { ...run, end: run.end }, body: body ?? '', log }
}

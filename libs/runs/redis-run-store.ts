import { runIdTimeMs, type RunId } from '#libs/core'
import {
  channels,
  defineBatchScript,
  defineScript,
  keys,
  logPrefix,
  queuePrefix,
  runPrefix,
  waitingPrefix,
  type Redis,
  type ScriptArgument,
} from '#libs/redis'
import { createRunOrder, toCost } from './redis-run-order.ts'
import { createRunQueries } from './redis-run-queries.ts'
import { lanePriority, type Progress, type RunSpec, type RunState } from './run.ts'
import type {
  Acceptance,
  AcceptResult,
  ClaimResult,
  Ending,
  Requeueing,
  RunStore,
  TenantShare,
} from './run-store.ts'

/** A worker says every few seconds that it lives; after so long a silence it is taken for dead. */
export const silentWorkerMs = 12_000
/** After so long without a sign of any worker, it is Redis that could not be heard. */
const silentFleetMs = 8_000
const listedRuns = 100_000
const mostDeadLetters = 10_000
/** One tenant among others, with no limits of its own. */
const asAnybody: TenantShare = { weight: 1 }
const idempotencyLifetimeMs = 24 * 60 * 60 * 1000

/**
 * The records in Redis, on a connection that stays its owner's. `retainMs`: how long a run outlives its
 * archiving.
 */
export function createRedisRunStore(redis: Redis, options: { retainMs: number }): RunStore {
  const { accept, claim, end, cancel, remove, settle, restore, requeue, retry, beat } = defineScripts(redis)
  return {
    async accept(acceptance) {
      const reply = await accept(acceptKeys(acceptance), acceptArguments(acceptance))
      return toAcceptResult(reply as AcceptReply)
    },
    async claim(rid, provider, token) {
      const reply = await claim(
        [keys.run(rid), keys.waiting(provider), keys.running, keys.alive, keys.deadlines],
        [rid, silentWorkerMs, token, provider, keys.queue(provider)],
      )
      return toClaimResult(reply as [string, ...never[]])
    },
    restore: (claimed) => restore(...restoreArguments(claimed)) as Promise<'restored' | 'there'>,
    requeue: async (requeueing) =>
      (await requeue(...requeueArguments(requeueing))) as 'requeued' | 'cancel' | 'fenced' | 'missing',
    async retry({ spec: { rid, provider, lane }, epoch }) {
      const runKeys = [keys.run(rid), keys.waiting(provider), keys.running, keys.deadlines]
      const place = [keys.queue(provider), lanePriority[lane]]
      return (await retry(runKeys, [rid, epoch, ...place])) as 'retried' | 'spent'
    },
    async end(ending) {
      const { rid } = ending.spec
      const endKeys = [keys.run(rid), keys.log(rid), keys.running, keys.outbox]
      return (await end(endKeys, endArguments(ending))) as 'ended' | 'fenced' | 'gap' | 'missing'
    },
    async cancel(spec, record, frames) {
      const { rid, tenant } = spec
      const news = [frames.join('\n'), frames.length, channels.run(rid), channels.cancel]
      const reply = await cancel(
        [keys.run(rid), keys.log(rid), keys.outbox],
        [rid, tenant, JSON.stringify(record), ...news, waitingPrefix, queuePrefix],
      )
      return (reply ?? 'unknown') as 'unknown' | 'ended' | 'cancelled' | 'requested'
    },
    setMetadata: async (rid, tenant, metadata) =>
      void (await redis.hset(keys.metadataOf(tenant), rid, JSON.stringify(metadata))),
    async delete(rid, tenant) {
      await redis.hdel(keys.metadataOf(tenant), rid)
      const deleted = [keys.run(rid), keys.log(rid), keys.runsOf(tenant), keys.storedOf(tenant)]
      return ((await remove(deleted, [rid, tenant])) ?? 'unknown') as 'unknown' | 'forgotten' | 'marked'
    },
    async beat(rids) {
      const reply = await beat([keys.running, keys.alive], [runPrefix, silentFleetMs, ...rids])
      const [cancelled, missing] = reply as [RunId[], RunId[]]
      return { cancelled, missing }
    },
    async settle(rids) {
      const prefixes = [runPrefix, logPrefix, options.retainMs]
      return (await settle([keys.outbox], [...prefixes, ...rids])) as RunId[]
    },
    bury: (rid) => buryRun(redis, rid),
    unearth: async (rid) => (await redis.zrem(keys.dead, rid)) === 1,
    unwatch: async (rid) => void (await redis.zrem(keys.deadlines, rid)),
    forget: (rid) => forgetRun(redis, rid),
    ...createRunQueries(redis),
    ...createRunOrder(redis),
  }
}

async function buryRun(redis: Redis, rid: RunId): Promise<void> {
  const newest = [keys.dead, 0, -mostDeadLetters - 1] as const
  const buried = redis
    .multi()
    .zadd(keys.dead, Date.now(), rid)
    .zremrangebyrank(...newest)
  await buried.zrem(keys.running, rid).exec()
}

/** The outbox forgets last: what is in it is looked after until all is gone. */
async function forgetRun(redis: Redis, rid: RunId): Promise<void> {
  await redis.del(keys.run(rid), keys.log(rid))
  await redis.zrem(keys.running, rid)
  await redis.zrem(keys.deadlines, rid)
  await redis.zrem(keys.outbox, rid)
}

function defineScripts(redis: Redis) {
  const script = (file: string) => defineScript(redis, new URL(file, import.meta.url))
  const batchScript = (file: string) => defineBatchScript(redis, new URL(file, import.meta.url))
  return {
    accept: batchScript('accept-6.lua'),
    claim: batchScript('claim-5.lua'),
    end: batchScript('end-4.lua'),
    cancel: script('cancel-3.lua'),
    remove: script('delete-4.lua'),
    settle: script('settle-1.lua'),
    restore: script('restore-5.lua'),
    requeue: script('requeue-4.lua'),
    retry: script('retry-4.lua'),
    beat: script('beat-2.lua'),
  }
}

function restoreArguments(claimed: Extract<ClaimResult, { status: 'run' }>): [string[], ScriptArgument[]] {
  const { spec, epoch, body, homeChannel, claimedAtMs, progress, deadlineAtMs } = claimed
  const { rid, tenant, provider } = spec
  return [
    [keys.run(rid), keys.running, keys.runsOf(tenant), keys.storedOf(tenant), keys.waiting(provider)],
    [
      rid,
      tenant,
      epoch,
      JSON.stringify(spec),
      body,
      homeChannel,
      claimedAtMs,
      listing(spec),
      runIdTimeMs(rid),
      provider,
      progress === undefined ? '' : JSON.stringify(progress),
      deadlineAtMs ?? '',
      keys.queue(provider),
      spec.maxRunning ?? '',
    ],
  ]
}

function requeueArguments(requeueing: Requeueing): [string[], ScriptArgument[]] {
  const { rid, epoch, spec, progress, delayMs, share = asAnybody } = requeueing
  const { provider, lane } = spec
  const told = [rid, epoch, JSON.stringify(spec), JSON.stringify(progress), provider]
  return [
    [keys.run(rid), keys.waiting(provider), keys.running, keys.deadlines],
    [...told, Math.ceil(delayMs), queuePrefix, lane, lanePriority[lane], toCost(share)],
  ]
}

/** In which of its tenant's lists a run is: both, that of all runs, or none. */
function listing({ store, batch }: RunSpec): '1' | '0' | '' {
  if (batch !== undefined) return ''
  return store ? '1' : '0'
}

function acceptKeys({ spec, idempotency }: Acceptance): string[] {
  return [
    keys.run(spec.rid),
    keys.waiting(spec.provider),
    keys.runsOf(spec.tenant),
    keys.storedOf(spec.tenant),
    keys.idempotency(spec.tenant, idempotency?.keyDigest ?? ''),
    keys.deadlines,
  ]
}

function acceptArguments(acceptance: Acceptance): ScriptArgument[] {
  const { spec, body, homeChannel, bufferSize, idempotency, fewWaiting = 0, share = asAnybody } = acceptance
  const { rid, tenant, provider, lane } = spec
  const run = [rid, tenant, JSON.stringify(spec), body, homeChannel, provider]
  const key = [idempotency?.bodyDigest ?? '', idempotencyLifetimeMs]
  const listed = [listedRuns, listing(spec)]
  const times = [runIdTimeMs(rid), spec.deadlineMs ?? '']
  const place = [keys.queue(provider), lane, lanePriority[lane], fewWaiting, toCost(share)]
  const limits = [share.maxWaiting ?? bufferSize, spec.maxRunning ?? '']
  return [...run, bufferSize, ...listed, ...key, ...times, ...place, ...limits]
}

function endArguments({ spec, epoch, homeChannel, end, entry, isWhole }: Ending): ScriptArgument[] {
  const { seq, count, payload } = entry
  const { rid, provider, tenant } = spec
  const told = [rid, epoch, seq, count, JSON.stringify(end), payload]
  const running = keys.runningOf(provider, tenant)
  return [...told, homeChannel, channels.run(rid), isWhole === true ? '1' : '0', running]
}

type AcceptReply = [AcceptResult['status'], (string | number)?, number?]

function toAcceptResult([status, detail, parked]: AcceptReply): AcceptResult {
  switch (status) {
    case 'accepted':
      return { status, priority: Number(detail), isParked: parked === 1 }
    case 'queue_full':
    case 'tenant_queue_full':
      return { status, waiting: Number(detail) }
    case 'attached':
      return { status, rid: String(detail) }
    case 'key_reused':
      return { status }
  }
}

function toClaimResult(reply: readonly unknown[]): ClaimResult {
  const status = reply[0] as ClaimResult['status']
  if (status === 'run') {
    const [, epoch, spec, body, homeChannel, claimedAtMs, progress, deadlineAtMs] = reply as [
      string,
      number,
      string | null,
      string | null,
      string,
      number,
      string | null,
      number | null,
    ]
    const read = readJson<RunSpec>(spec)
    if (read === undefined) return { status: 'unreadable' }
    const claim = { status, epoch, spec: read, body: body ?? '', homeChannel, claimedAtMs } as const
    return { ...claim, ...toProgress(progress), ...(deadlineAtMs != null && { deadlineAtMs }) }
  }
  if (status === 'salvage') {
    const [, epoch, spec, homeChannel, state, progress] = reply as [
      string,
      number,
      string | null,
      string,
      RunState,
      string | null,
    ]
    const read = readJson<RunSpec>(spec)
    if (read === undefined) return { status: 'unreadable' }
    return { status, epoch, spec: read, homeChannel, state, ...toProgress(progress) }
  }
  return status === 'moved' ? { status, provider: String(reply[1]) } : { status }
}

function toProgress(text: string | null | undefined): { progress?: Progress } {
  const progress = text == null ? undefined : readJson<Progress>(text)
  return progress === undefined ? {} : { progress }
}

/** `undefined` for what is no JSON: such a record must not be asked for again and again. */
function readJson<Value>(text: string | null): Value | undefined {
  try {
    return JSON.parse(text ?? '') as Value
  } catch {
    return undefined
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectRedis, type Redis } from '#libs/redis'
import { createRedisRunStore, type ClaimResult, type RunStore } from '#libs/runs'
import { beforeAll as beforeFirst, createRedisStreamLog, type LogEntry, type StreamLog } from '#libs/streams'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { makeRunSpec } from '../support/runs.ts'

let server: TestRedis
let redis: Redis
let store: RunStore
let log: StreamLog

beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
  store = createRedisRunStore(redis, { retainMs: 60_000 })
  log = createRedisStreamLog(redis)
})

afterAll(async () => {
  redis.disconnect()
  await server.close()
})

async function claimNew(token: string): Promise<Extract<ClaimResult, { status: 'run' }>> {
  const spec = makeRunSpec()
  await store.accept({ spec, body: '{}', homeChannel: '', bufferSize: 100 })
  const claim = await store.claim(spec.rid, spec.provider, token)
  if (claim.status !== 'run') throw new Error(`expected the run, not ${claim.status}`)
  return claim
}

const entryOf = ({ epoch }: { epoch: number }, seq: number, ...frames: string[]): LogEntry => {
  return { epoch, seq, count: frames.length, meta: '', payload: frames.join('\n') }
}

async function readAll({ spec }: { spec: { rid: string; tenant: string } }): Promise<string[]> {
  const page = await log.read(spec.rid, spec.tenant, beforeFirst)
  return page?.entries.map(({ payload }) => payload) ?? []
}

test('an append that would leave a hole is refused, and taken once the hole is filled', async () => {
  const claim = await claimNew('a')
  const { rid } = claim.spec

  expect(await log.append(rid, entryOf(claim, 1, 'one', 'two'), '')).toBe('appended')
  expect(await log.append(rid, entryOf(claim, 3, 'four'), '')).toBe('gap')
  expect(await log.append(rid, entryOf(claim, 2, 'three'), '')).toBe('appended')
  expect(await log.append(rid, entryOf(claim, 3, 'four'), '')).toBe('appended')
  expect(await readAll(claim)).toEqual(['one\ntwo', 'three', 'four'])
})

test('an append that comes twice, also late, is taken once', async () => {
  const claim = await claimNew('a')
  const { rid } = claim.spec
  const entries = [
    entryOf(claim, 0, 'one'),
    entryOf(claim, 1, 'two'),
    entryOf(claim, 0, 'one'),
    entryOf(claim, 1, 'two'),
  ]

  for (const entry of entries) expect(await log.append(rid, entry, '')).toBe('appended')

  expect(await readAll(claim)).toEqual(['one', 'two'])
})

test('a claim that is sent again gets the same answer, and another claimer none', async () => {
  const claim = await claimNew('a')
  const { rid, provider } = claim.spec

  expect(await store.claim(rid, provider, 'a')).toEqual(claim)
  expect(await store.claim(rid, provider, 'b')).toEqual({ status: 'held' })
})

test('a run that Redis has lost can be written down again by its worker, and goes on under its epoch', async () => {
  const claim = await claimNew('a')
  const { rid } = claim.spec
  await redis.flushall()
  expect(await log.append(rid, entryOf(claim, 0, 'one'), '')).toBe('missing')

  expect(await store.restore(claim)).toBe('restored')
  expect(await store.restore(claim)).toBe('there')

  expect(await log.append(rid, entryOf(claim, 0, 'one'), '')).toBe('appended')
  expect(await store.inspect(rid)).toMatchObject({ spec: claim.spec, state: 'streaming', end: null })
})

test('silence proves nothing while no worker is heard', async () => {
  const claim = await claimNew('a')
  const { rid, provider } = claim.spec
  await redis.zadd('mr:running', 1, rid)
  expect(await store.claim(rid, provider, 'b')).toEqual({ status: 'held' })

  await store.beat([])
  expect(await store.claim(rid, provider, 'b')).toEqual({ status: 'held' })

  await redis.hset('mr:alive', 'since', 1)
  expect(await store.claim(rid, provider, 'b')).toMatchObject({ status: 'salvage' })
})

test('a salvaged run goes back among the waiting once, and never after its first frame', async () => {
  const claim = await claimNew('a')
  const lost = { ...claim, status: 'salvage', state: 'dispatched' } as const

  expect(await store.retry(lost)).toBe('retried')
  expect(await store.retry(lost)).toBe('retried')
  const again = await store.claim(claim.spec.rid, claim.spec.provider, 'b')
  if (again.status !== 'run') throw new Error(`expected the run, not ${again.status}`)
  expect(again.epoch).toBeGreaterThan(claim.epoch)
  expect(await store.retry(lost)).toBe('spent')
  expect(await store.retry({ ...lost, epoch: again.epoch })).toBe('spent')

  const begun = await claimNew('a')
  await log.append(begun.spec.rid, entryOf(begun, 0, 'one'), '')
  expect(await store.retry({ ...begun, status: 'salvage', state: 'streaming' })).toBe('spent')
})

/** As a failover does that lost what was written last. */
async function loseClaim({ spec: { rid, provider } }: { spec: { rid: string; provider: string } }) {
  await redis.hset(`mr:run:${rid}`, 'state', 'accepted', 'epoch', 0)
  await redis.hdel(`mr:run:${rid}`, 'holder', 'claimedAt')
  await redis.zrem('mr:running', rid)
  await redis.zadd(`mr:waiting:${provider}`, Date.now(), rid)
  // No failover takes less than a tick of the clock.
  await sleep(2)
}

test('a claim that Redis has lost is written down again by its worker, before others take the run', async () => {
  const claim = await claimNew('a')
  const { rid, provider } = claim.spec
  await loseClaim(claim)

  expect(await log.append(rid, entryOf(claim, 0, 'one'), '')).toBe('missing')
  expect(await store.restore(claim)).toBe('restored')

  expect(await log.append(rid, entryOf(claim, 0, 'one'), '')).toBe('appended')
  expect(await store.claim(rid, provider, 'b')).toEqual({ status: 'held' })
  expect((await store.waiting(provider)).count).toBe(0)
})

test('who claims a run whose claim Redis has lost shares no epoch with the one before, and alone may write', async () => {
  const first = await claimNew('a')
  const { rid, provider } = first.spec
  await loseClaim(first)
  const second = await store.claim(rid, provider, 'b')
  if (second.status !== 'run') throw new Error(`expected the run, not ${second.status}`)

  expect(await store.restore(first)).toBe('there')
  expect(await log.append(rid, entryOf(first, 0, 'from the first'), '')).toBe('fenced')
  expect(await log.append(rid, entryOf(second, 0, 'from the second'), '')).toBe('appended')

  expect(await readAll(first)).toEqual(['from the second'])
})

import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectRedis, keys, type Redis } from '#libs/redis'
import { createRedisRunStore, type ClaimResult, type Progress, type RunSpec, type RunStore } from '#libs/runs'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { makeEnd, makeRunSpec } from '../support/runs.ts'

let server: TestRedis
let redis: Redis
let store: RunStore

beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
  store = createRedisRunStore(redis, { retainMs: 60_000 })
})

afterAll(async () => {
  redis.disconnect()
  await server.close()
})

type RunClaim = Extract<ClaimResult, { status: 'run' }>

async function claim(spec: RunSpec, provider: string, token: string): Promise<RunClaim> {
  const result = await store.claim(spec.rid, provider, token)
  if (result.status !== 'run') throw new Error(`expected the run, not ${result.status}`)
  return result
}

async function claimNew(more: Partial<RunSpec> = {}): Promise<RunClaim> {
  const spec = { ...makeRunSpec(), ...more }
  await store.accept({ spec, body: '{}', homeChannel: '', bufferSize: 100 })
  return claim(spec, 'p', 'first')
}

const attempt = {
  provider: 'p',
  model: 'm',
  key: 'k',
  startedAtMs: 1,
  durationMs: 2,
  outcome: 'upstream_error',
}
const progress: Progress = { attempts: [attempt], left: ['p/m'], limitedUntilMs: {}, startedAtMs: 1 }

const moveToQ = ({ spec, epoch }: RunClaim, delayMs = 0) => {
  return store.requeue({
    rid: spec.rid,
    epoch,
    spec: { ...spec, provider: 'q', target: 'n' },
    progress,
    delayMs,
  })
}

test('who claims a run that was given back gets what was tried, and the old provider is told where it went', async () => {
  const first = await claimNew()
  const { rid } = first.spec

  expect(await moveToQ(first)).toBe('requeued')

  expect(await store.claim(rid, 'p', 'stale')).toEqual({ status: 'moved', provider: 'q' })
  const second = await claim(first.spec, 'q', 'second')
  expect(second).toMatchObject({ spec: { provider: 'q', target: 'n' }, progress, body: '{}' })
  expect(second.epoch).toBeGreaterThan(first.epoch)
  expect(await store.claim(rid, 'q', 'second')).toEqual(second)
  expect(await store.claim(rid, 'p', 'stale')).toEqual({ status: 'moved', provider: 'q' })
  expect(await moveToQ(first)).toBe('fenced')
})

test('a run that is to be carried later does not count as forgotten before', async () => {
  const first = await claimNew()
  await moveToQ(first, 60_000)

  expect(await store.waitingLong('q', 0, 10)).not.toContain(first.spec.rid)
  expect(await store.waitingLong('q', -70_000, 10)).toContain(first.spec.rid)
  expect((await store.waiting('p')).count).toBe(0)
})

test('a run that was told to stop stays with its worker, who ends it', async () => {
  const first = await claimNew()
  expect(await store.cancel(first.spec, makeEnd(), [])).toBe('requested')

  expect(await moveToQ(first)).toBe('cancel')

  expect(await store.inspect(first.spec.rid)).toMatchObject({ state: 'dispatched' })
})

test('a run that was given back is cancelled where it is, whatever the caller believes', async () => {
  const first = await claimNew()
  await moveToQ(first)

  expect(await store.cancel(first.spec, makeEnd(), [])).toBe('cancelled')

  expect(await redis.zscore(keys.waiting('q'), first.spec.rid)).toBeNull()
  expect(await store.claim(first.spec.rid, 'q', 'late')).toEqual({ status: 'ended' })
})

test('a deadline is watched while a run waits, and told to whoever carries it', async () => {
  const first = await claimNew({ deadlineMs: 1_000 })
  const { rid } = first.spec
  expect(first.deadlineAtMs).toBeGreaterThan(first.claimedAtMs)
  expect(await redis.zscore(keys.deadlines, rid)).toBeNull()

  await moveToQ(first)

  expect(Number(await redis.zscore(keys.deadlines, rid))).toBe(first.deadlineAtMs)
  expect(await store.overdue(10)).toEqual([])
  await redis.zadd(keys.deadlines, 1, rid)
  expect(await store.overdue(10)).toEqual([rid])
  expect((await claim(first.spec, 'q', 'second')).deadlineAtMs).toBe(first.deadlineAtMs)
})

test('a run that Redis has lost comes back with all that it had been through', async () => {
  const first = await claimNew({ deadlineMs: 60_000 })
  await moveToQ(first)
  const second = await claim(first.spec, 'q', 'second')
  await redis.del(keys.run(first.spec.rid))

  expect(await moveToQ(second)).toBe('missing')
  expect(await store.restore(second)).toBe('restored')

  expect(await store.inspect(first.spec.rid)).toMatchObject({ spec: { provider: 'q' }, progress })
  await moveToQ(second)
  expect(await claim(first.spec, 'q', 'third')).toMatchObject({ deadlineAtMs: first.deadlineAtMs })
})

test('the salvage of a run knows what was tried', async () => {
  const first = await claimNew()
  await moveToQ(first)
  await claim(first.spec, 'q', 'dies')
  await redis.zadd(keys.running, 'XX', 1, first.spec.rid)
  await redis.hset(keys.alive, 'since', 1)

  expect(await store.claim(first.spec.rid, 'q', 'third')).toMatchObject({ status: 'salvage', progress })
})

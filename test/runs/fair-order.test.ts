import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { connectRedis, keys, type Redis } from '#libs/redis'
import { createRedisRunStore, lanePriority, type RunSpec, type RunStore } from '#libs/runs'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { makeEnd } from '../support/runs.ts'
import { createTestQueue, shares, type TestQueue } from './queue.ts'

let server: TestRedis
let redis: Redis
let store: RunStore
let queue: TestQueue

beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
  store = createRedisRunStore(redis, { retainMs: 60_000 })
})
beforeEach(() => {
  queue = createTestQueue(store)
})
afterAll(async () => {
  redis.disconnect()
  await server.close()
})

const noisy = { tenant: 'noisy' }
const quiet = { tenant: 'quiet' }

const rids = (specs: readonly RunSpec[]): string[] => specs.map(({ rid }) => rid)

/** What Redis still knows of the orders and limits at the provider. */
const traces = (): Promise<string[]> => redis.keys(`${keys.queue(queue.provider)}:*`)

test('behind a flood, another tenant has every second turn from its arrival on', async () => {
  await queue.flood(100, noisy)
  await queue.serve(30)
  await queue.flood(10, quiet)

  const served = await queue.serve(20)

  expect(shares(served)).toEqual({ noisy: 10, quiet: 10 })
  const turns = served.map(({ tenant }, at) => (tenant === 'quiet' ? at : -1)).filter((at) => at >= 0)
  for (const [nth, turn] of turns.entries()) expect(turn).toBeLessThanOrEqual(2 * nth + 1)
})

test('weights of 1 and 3 are served 1 to 3, in every stretch of the backlog', async () => {
  await queue.flood(60, noisy)
  await queue.flood(60, quiet, { share: { weight: 3 } })

  for (let stretch = 0; stretch < 4; stretch++) {
    expect(shares(await queue.serve(16))).toEqual({ noisy: 4, quiet: 12 })
  }
})

test.each([7, 9, 64])('a weight of %d gives exactly as many turns in a round', async (weight) => {
  await queue.flood(weight * 3 + 3, quiet, { share: { weight } })
  await queue.flood(3, noisy)

  expect(shares(await queue.serve(3 * (weight + 1)))).toEqual({ quiet: 3 * weight, noisy: 3 })
})

test('a tenant that was away has saved nothing up', async () => {
  await queue.flood(120, noisy)
  await queue.serve(60)
  await queue.flood(40, quiet)

  expect(shares(await queue.serve(40))).toEqual({ noisy: 20, quiet: 20 })
})

test('a tenant that hands in its next run as soon as one has begun gets its share and no more', async () => {
  await queue.flood(50, noisy)
  await queue.accept(quiet)
  const served: RunSpec[] = []
  for (let turn = 0; turn < 40; turn++) {
    const [next] = await queue.serve(1)
    if (next === undefined) break
    served.push(next)
    if (next.tenant === 'quiet') await queue.accept(quiet)
  }

  expect(Math.abs((shares(served).quiet ?? 0) - 20)).toBeLessThanOrEqual(1)
})

test("a tenant's own runs keep their order, whatever its weight and whoever comes between", async () => {
  const own: RunSpec[] = []
  for (let round = 0; round < 10; round++) {
    own.push(...(await queue.flood(4, quiet, { share: { weight: 3 }, fewWaiting: 5 })))
    await queue.flood(2, noisy)
    await queue.serve(3)
  }
  const before = new Set(await redis.zrange(keys.waiting(queue.provider), '0', '-1'))
  const left = own.filter(({ rid }) => before.has(rid))

  const served = await queue.serve(before.size)

  expect(rids(served.filter(({ tenant }) => tenant === 'quiet'))).toEqual(rids(left))
})

test('lanes stand one behind the other, each fair in itself', async () => {
  await queue.flood(6, { ...noisy, lane: 'batch' })
  await queue.flood(2, { ...quiet, lane: 'batch' })
  await queue.flood(6, { ...noisy, lane: 'standard' })
  await queue.flood(2, { ...quiet, lane: 'standard' })
  await queue.flood(4, { ...noisy, lane: 'interactive' })

  const served = await queue.serve(20)

  expect(served.map(({ lane }) => lane)).toEqual([
    ...Array.from({ length: 4 }, () => 'interactive'),
    ...Array.from({ length: 8 }, () => 'standard'),
    ...Array.from({ length: 8 }, () => 'batch'),
  ])
  for (const start of [4, 12]) expect(shares(served.slice(start, start + 4))).toEqual({ noisy: 2, quiet: 2 })
})

test('while few wait, interactive runs have priority 0, and nobody overtakes those in the order', async () => {
  const calm = { fewWaiting: 2 }
  const lane = 'interactive'
  const first = await queue.flood(4, { ...noisy, lane }, calm)
  expect(first.map((spec) => queue.priorityOf(spec))).toEqual([0, 0, 1, 2])
  await queue.serve(3)

  const next = await queue.accept({ ...noisy, lane }, calm)
  expect(queue.priorityOf(next)).toBeGreaterThan(2)

  await queue.serve(2)
  expect(queue.priorityOf(await queue.accept({ ...noisy, lane }, calm))).toBe(0)
  expect(queue.priorityOf(await queue.accept({ ...noisy, lane: 'batch' }, calm))).toBe(lanePriority.batch)
})

test('a tenant that is alone is in no order, and its lanes stand one behind the other all the same', async () => {
  const alone = { share: { weight: 1, isAlone: true, maxWaiting: 4 } }
  const lanes = ['batch', 'standard', 'interactive', 'standard'] as const
  const specs: RunSpec[] = []
  for (const lane of lanes) specs.push(await queue.accept({ ...noisy, lane }, alone))

  expect(await traces()).toEqual([])
  await expect(queue.accept(noisy, alone)).rejects.toThrow('tenant_queue_full')
  expect(await store.priority(specs[0]!)).toBe(lanePriority.batch)
  expect(rids(await queue.serve(4))).toEqual([2, 1, 3, 0].map((index) => specs[index]!.rid))
})

test('when nothing of a lane waits any more, nothing is remembered of its order', async () => {
  await queue.flood(5, noisy)
  await queue.serve(5)

  expect(await traces()).toEqual([])
  expect(queue.priorityOf(await queue.accept(noisy))).toBe(lanePriority.standard)
})

test('a tenant gets back what it cancels', async () => {
  await queue.flood(50, noisy)
  await queue.serve(5)
  for (const spec of await queue.flood(40, quiet)) {
    expect(await store.cancel(spec, makeEnd(), [])).toBe('cancelled')
  }

  await queue.flood(10, quiet)
  expect(shares(await queue.serve(20))).toEqual({ noisy: 10, quiet: 10 })
})

test('what comes beyond the last round of a lane goes as it came, and does not leave the lane', async () => {
  const lane = 'batch'
  await queue.accept({ ...noisy, lane })
  await redis.hset(keys.order(queue.provider, lane), 'noisy', 699_048 * 1_000_000)

  const far = await queue.flood(4, { ...noisy, lane })

  const last = lanePriority.batch + 699_049
  expect(far.map((spec) => queue.priorityOf(spec))).toEqual([last - 1, last, last, last])
  expect(last).toBeLessThanOrEqual(2_097_151)
  expect(lanePriority.standard).toBe(lanePriority.interactive + 699_050)
  expect(lanePriority.batch).toBe(lanePriority.standard + 699_050)
  // A tenant that has no part in it is still served before.
  const other = await queue.accept({ ...quiet, lane })
  expect(rids(await queue.serve(6)).indexOf(other.rid)).toBe(1)
})

test('a run that is called once more is the first of its lane', async () => {
  await queue.flood(10, noisy)
  const [spec] = await queue.serve(1)
  const claim = { status: 'salvage', spec: spec!, homeChannel: '', state: 'dispatched' } as const
  const epoch = Number(await redis.hget(keys.run(spec!.rid), 'epoch'))

  expect(await store.retry({ ...claim, epoch })).toBe('retried')

  expect(await store.priority(spec!)).toBe(lanePriority.standard)
  expect(await store.census(queue.provider, ['noisy', 'quiet'])).toEqual([10, 0])
  expect(shares(await queue.serve(9))).toEqual({ noisy: 9 })
})

test('a run that goes to another provider has its turn there, and one that comes back is among the first', async () => {
  const there = createTestQueue(store)
  await there.flood(5, noisy)
  await there.flood(2, quiet)
  await queue.flood(3, noisy)
  const [spec] = await queue.serve(1)
  const epoch = Number(await redis.hget(keys.run(spec!.rid), 'epoch'))
  const progress = { attempts: [], left: [], limitedUntilMs: {}, startedAtMs: 0 }
  const given = { rid: spec!.rid, epoch, progress, delayMs: 0 }

  const moved = { ...spec!, provider: there.provider }
  expect(await store.requeue({ ...given, spec: moved })).toBe('requeued')

  // Behind the five of its tenant.
  expect(await store.priority(moved)).toBe(lanePriority.standard + 5)
  expect(await store.census(queue.provider, ['noisy'])).toEqual([2])
  expect(await store.census(there.provider, ['noisy'])).toEqual([6])

  const claim = await store.claim(spec!.rid, there.provider, 'worker')
  if (claim.status !== 'run') throw new Error(`expected the run, not ${claim.status}`)
  expect(await store.requeue({ ...given, spec: moved, epoch: claim.epoch })).toBe('requeued')
  expect(await store.priority(moved)).toBe(lanePriority.standard)
  expect(await store.census(there.provider, ['noisy'])).toEqual([6])
})

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connectRedis, keys, type Redis } from '#libs/redis'
import { createRedisRunStore, type RunSpec, type RunStore } from '#libs/runs'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { makeClaim, makeEnd, makeRunSpec } from '../support/runs.ts'
import { createTestQueue, endRun, type TestQueue } from './queue.ts'

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

const acme = { tenant: 'acme' }

async function offer(share: { maxWaiting?: number }, fields: Partial<RunSpec> = {}) {
  const spec = makeRunSpec({ provider: queue.provider, ...acme, ...fields })
  return store.accept({
    spec,
    body: '{}',
    homeChannel: '',
    bufferSize: 10,
    share: { weight: 1, ...share },
  })
}

const claim = ({ rid }: RunSpec) => store.claim(rid, queue.provider, `worker of ${rid}`)

/** How many runs of the tenant wait, and how many run as far as its limit counts them. */
async function census() {
  const [waiting] = await store.census(queue.provider, ['acme'])
  return { waiting, running: await redis.zcard(keys.runningOf(queue.provider, 'acme')) }
}

describe('of runs that wait', () => {
  const share = { maxWaiting: 2 }

  test('a tenant has as many as it may, and another finds room', async () => {
    await offer(share)
    await offer(share)

    expect(await offer(share)).toEqual({ status: 'tenant_queue_full', waiting: 2 })
    expect(await offer(share, { tenant: 'other' })).toMatchObject({ status: 'accepted' })
    expect(await census()).toEqual({ waiting: 2, running: 0 })
  })

  test('the buffer of the provider is full before', async () => {
    for (let count = 0; count < 10; count++) await offer({}, { tenant: `t${count}` })
    expect(await offer(share)).toEqual({ status: 'queue_full', waiting: 10 })
  })

  test.each([
    ['is claimed', (spec: RunSpec) => claim(spec)],
    ['is cancelled', (spec: RunSpec) => store.cancel(spec, makeEnd(), [])],
    ['turns out to have been claimed', (spec: RunSpec) => store.restore(makeClaim(spec, Date.now()))],
  ])('there is room again when one %s', async (_what, leave) => {
    const [first] = await queue.flood(2, acme, { share: { weight: 1, ...share } })

    await leave(first!)

    expect(await offer(share)).toMatchObject({ status: 'accepted' })
    expect(await offer(share)).toMatchObject({ status: 'tenant_queue_full' })
  })

  test('what Redis has lost takes no room once nothing else waits', async () => {
    const lost = await queue.flood(2, acme, { share: { weight: 1, ...share } })
    for (const { rid } of lost) {
      await redis.del(keys.run(rid))
      expect(await store.claim(rid, queue.provider, 'worker')).toEqual({ status: 'unknown' })
    }

    expect(await offer(share)).toMatchObject({ status: 'accepted' })
    expect(await census()).toEqual({ waiting: 1, running: 0 })
  })
})

describe('of runs that run', () => {
  const limited = { ...acme, maxRunning: 2 }

  const unparked = (maxRunning?: number) => {
    return store.unparked(queue.provider, 'acme', {
      limit: 10,
      ...(maxRunning !== undefined && { maxRunning }),
    })
  }

  /** Two that run, and so many whose claims found that out. */
  async function fill(parked: number): Promise<{ running: RunSpec[]; parked: RunSpec[] }> {
    const specs = await queue.flood(2 + parked, limited)
    const replies: string[] = []
    for (const spec of specs) replies.push((await claim(spec)).status)
    expect(replies).toEqual(['run', 'run', ...Array.from({ length: parked }, () => 'parked')])
    return { running: specs.slice(0, 2), parked: specs.slice(2) }
  }

  async function endOf(spec: RunSpec): Promise<void> {
    expect(await endRun(store, redis, spec)).toBe('ended')
  }

  test('the next one waits until one has ended, and others do not wait for it', async () => {
    const { running, parked } = await fill(3)
    const other = await queue.accept({ ...limited, tenant: 'other' })
    expect((await claim(other)).status).toBe('run')
    expect(await unparked(2)).toEqual([])
    expect(await census()).toEqual({ waiting: 3, running: 2 })

    await endOf(running[0]!)

    expect(await unparked(2)).toEqual([parked[0]!.rid])
    // Whoever asked may have died: another gets the same answer.
    expect(await unparked(2)).toEqual([parked[0]!.rid])
    expect((await claim(parked[0]!)).status).toBe('run')
    expect(await unparked(2)).toEqual([])
    expect(await census()).toEqual({ waiting: 2, running: 2 })
  })

  test('one that comes behind parked ones is parked at once', async () => {
    await fill(1)

    expect(await offer({}, limited)).toMatchObject({ isParked: true })
    expect(await offer({}, { ...limited, tenant: 'other' })).toMatchObject({ isParked: false })
    expect(await store.parkedTenants(queue.provider)).toEqual(['acme'])
  })

  test('a tenant whose parked runs are gone is forgotten as one that has any', async () => {
    const { running, parked } = await fill(2)
    await store.cancel(parked[0]!, makeEnd(), [])
    await redis.zrem(keys.waiting(queue.provider), parked[1]!.rid)
    for (const spec of running) await endOf(spec)

    expect(await unparked(2)).toEqual([])

    expect(await store.parkedTenants(queue.provider)).toEqual([])
    expect(await redis.exists(keys.parked(queue.provider, 'acme'))).toBe(0)
  })

  test('a limit that was taken away holds nobody back', async () => {
    const { parked } = await fill(3)
    expect(await unparked()).toEqual(parked.map(({ rid }) => rid))
  })

  test('a run counts until it has ended, whoever ends it', async () => {
    const { running } = await fill(1)
    const [first, second] = running
    expect(await store.cancel(first!, makeEnd(), [])).toBe('requested')
    await store.delete(first!.rid, 'acme')
    expect(await census()).toEqual({ waiting: 1, running: 2 })
    await endOf(first!)
    expect(await census()).toEqual({ waiting: 1, running: 1 })

    await redis.zadd(keys.running, 1, second!.rid)
    await redis.hset(keys.alive, 'since', 1)
    const salvaged = await store.claim(second!.rid, queue.provider, 'another')
    expect(salvaged).toMatchObject({ status: 'salvage' })
    expect(await census()).toEqual({ waiting: 1, running: 1 })
    await endOf(second!)
    expect(await census()).toEqual({ waiting: 1, running: 0 })
  })

  test('a run that is given back waits, and one that is written down again runs', async () => {
    const { running } = await fill(0)
    const [first, second] = running
    const epoch = Number(await redis.hget(keys.run(first!.rid), 'epoch'))
    await store.retry({ status: 'salvage', spec: first!, epoch, homeChannel: '', state: 'dispatched' })
    expect(await census()).toEqual({ waiting: 1, running: 1 })

    await redis.del(keys.run(second!.rid))
    await store.restore(makeClaim(second!, epoch))
    expect(await census()).toEqual({ waiting: 1, running: 1 })
  })

  test('a parked run can be claimed to be ended at its deadline', async () => {
    await fill(1)
    const spec = makeRunSpec({ provider: queue.provider, ...limited, deadlineMs: 1 })
    await store.accept({ spec, body: '{}', homeChannel: '', bufferSize: 10 })
    await expect.poll(() => store.overdue(10)).toContain(spec.rid)

    expect((await claim(spec)).status).toBe('run')

    expect(await redis.zrange(keys.parked(queue.provider, 'acme'), '0', '-1')).toHaveLength(1)
  })

  test('what Redis has lost takes no place', async () => {
    const { running, parked } = await fill(3)
    for (const { rid } of running) {
      await redis.del(keys.run(rid))
      await store.forget(rid)
    }

    const replies: string[] = []
    for (const spec of parked) {
      expect(await unparked(2)).toContain(spec.rid)
      replies.push((await claim(spec)).status)
      if (replies.length === 2) break
    }
    expect(replies).toEqual(['run', 'run'])
    expect((await claim(parked[2]!)).status).toBe('parked')
  })
})

describe('a lane that waits too long', () => {
  const batch = { ...acme, lane: 'batch' } as const
  const promote = (specs: readonly RunSpec[], places: number) => {
    const rids = specs.map(({ rid }) => rid)
    return store.promote(queue.provider, rids, { waitedMs: 1000, places })
  }

  async function letWait(specs: readonly RunSpec[], ms: number): Promise<void> {
    const waiting = keys.waiting(queue.provider)
    for (const { rid } of specs) await redis.zadd(waiting, Date.now() - ms, rid)
  }

  test('has its first runs put before all others, so many at a time as there are places', async () => {
    const specs = await queue.flood(5, batch)
    await letWait(specs, 2000)
    await queue.flood(3, { tenant: 'other', lane: 'interactive' })

    const first = await promote(specs, 2)
    expect(first).toEqual(specs.slice(0, 2).map(({ rid }) => rid))
    expect(await promote(specs, 2)).toEqual([])
    expect(await store.priority(specs[0]!)).toBe(0)

    for (const rid of first) queue.setPriority(rid, 0)
    const served = await queue.serve(2)
    expect(served.map(({ rid }) => rid)).toEqual(first)
    expect(await promote(specs.slice(2), 2)).toEqual([])
    await endRun(store, redis, served[0]!)
    expect(await promote(specs.slice(2), 2)).toEqual([specs[2]!.rid])
  })

  test('is left alone while it has not waited so long', async () => {
    const specs = await queue.flood(2, batch)
    expect(await promote(specs, 2)).toEqual([])
    await letWait(specs.slice(1), 2000)
    expect(await promote(specs, 2)).toEqual([specs[1]!.rid])
  })
})

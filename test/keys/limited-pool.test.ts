import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { GatewayError } from '#libs/core'
import { createKeyPool, createLimiter, type KeyCall, type Limiter, type Limits } from '#libs/keys'
import { connectRedis, type Redis } from '#libs/redis'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

let server: TestRedis
let redis: Redis
let limiter: Limiter

beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
  limiter = createLimiter(redis)
})
afterAll(async () => {
  redis.disconnect()
  await server.close()
})
beforeEach(() => server.flush())

const call: KeyCall = { rid: 'r', lane: 'standard', target: 'm', tokens: 10 }

const openPool = (names: readonly string[], limits: Limits) =>
  createKeyPool(
    names.map((name) => ({ name, value: `sk-${name}`, limits })),
    { provider: 'p', limiter },
  )

it('uses up every one of many keys, whichever process leases', async () => {
  const names = Array.from({ length: 25 }, (_, number) => `k${number}`)
  const pools = [openPool(names, { requestsPerMinute: 2 }), openPool(names, { requestsPerMinute: 2 })]
  const used = new Map<string | null, number>()
  for (let number = 0; number < 50; number++) {
    const lease = await pools[number % 2]!.lease({ ...call, rid: `r${number}` })
    if (lease.status === 'leased') used.set(lease.name, (used.get(lease.name) ?? 0) + 1)
  }
  expect(used.size).toBe(25)
  expect(new Set(used.values())).toEqual(new Set([2]))
  expect(await pools[0]!.lease({ ...call, rid: 'late' })).toMatchObject({ status: 'wait' })
})

it('gives the place of a call back that was never sent, and of one that ended', async () => {
  const pool = openPool(['a'], { requestsPerMinute: 1, parallel: 1 })
  const unsent = await pool.lease(call)
  if (unsent.status !== 'leased') throw new Error('expected a lease')
  unsent.release({ error: new GatewayError('upstream_unreachable', 'no') })
  const unused = await pool.lease({ ...call, rid: 's' })
  if (unused.status !== 'leased') throw new Error('expected a lease')
  unused.release({ isUnused: true })
  expect(await pool.lease({ ...call, rid: 't' })).toMatchObject({ status: 'leased' })
})

it('asks Redis for nothing where the key has no limits', async () => {
  const asked: string[] = []
  const watched: Limiter = {
    ...limiter,
    take(request) {
      asked.push(request.id)
      return limiter.take(request)
    },
  }
  const pool = createKeyPool([{ name: 'a', value: 'sk' }], { provider: 'p', limiter: watched })
  expect(await pool.lease(call)).toMatchObject({ status: 'leased' })
  expect(asked).toEqual([])
})

it('a provider without keys has the limits of its targets', async () => {
  const pool = createKeyPool([], {
    provider: 'p',
    limiter,
    sharedMeters: (target) => (target === 'm' ? [{ name: 'target:p/m', limits: { parallel: 1 } }] : []),
  })
  const first = await pool.lease(call)
  expect(first).toMatchObject({ status: 'leased', name: null, value: undefined })
  expect(await pool.lease({ ...call, rid: 'other' })).toMatchObject({ status: 'wait' })
  expect(await pool.lease({ ...call, rid: 'other', target: 'n' })).toMatchObject({ status: 'leased' })
})

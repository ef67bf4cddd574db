import { describe, expect, it } from 'vitest'
import { type ErrorCode, GatewayError } from '#libs/core'
import { createKeyPool, type KeyCall, type Lease, type LeaseResult } from '#libs/keys'

const call: KeyCall = { rid: 'chatcmpl-1', lane: 'interactive', target: 'm', tokens: 0 }
const without = (...names: string[]): KeyCall => ({ ...call, exclude: new Set(names) })

const failure = (code: ErrorCode, retryAfterMs?: number): GatewayError =>
  new GatewayError(code, 'no', retryAfterMs === undefined ? {} : { retryAfterMs })

function leased(result: LeaseResult): Lease {
  if (result.status !== 'leased') throw new Error(`expected a lease, not ${result.status}`)
  return result
}

/** Two keys, and a clock and a die that the test sets. */
function openPool() {
  const world = { nowMs: 1000, point: 0 }
  const keys = [
    { name: 'a', value: 'sk-a', weight: 3 },
    { name: 'b', value: 'sk-b' },
  ]
  return { world, pool: createKeyPool(keys, { random: () => world.point, now: () => world.nowMs }) }
}

describe('a key pool', () => {
  it('chooses by weight', async () => {
    const { world, pool } = openPool()
    const names: (string | null)[] = []
    for (const point of [0, 0.74, 0.75, 0.999]) {
      world.point = point
      names.push(leased(await pool.lease(call)).name)
    }
    expect(names).toEqual(['a', 'a', 'b', 'b'])
  })

  it('leases no key that is excluded', async () => {
    const { pool } = openPool()
    expect(leased(await pool.lease(without('a')))).toMatchObject({ name: 'b', value: 'sk-b' })
    expect(await pool.lease(without('a', 'b'))).toEqual({ status: 'none' })
  })

  it('rests a limited key for as long as the provider asks, and says when the first is back', async () => {
    const { world, pool } = openPool()
    leased(await pool.lease(call)).release({ error: failure('rate_limit_exceeded', 700) })
    leased(await pool.lease(call)).release({ error: failure('rate_limit_exceeded', 300) })
    expect(await pool.lease(call)).toMatchObject({ status: 'wait', untilMs: 1300 })
    expect(await pool.lease(without('b'))).toMatchObject({ status: 'wait', untilMs: 1700 })
    world.nowMs = 1300
    expect(leased(await pool.lease(call)).name).toBe('b')
    world.nowMs = 1700
    expect(leased(await pool.lease(call)).name).toBe('a')
  })

  it('rests a limited key for a while where the provider asks for nothing, and a spent one for longer', async () => {
    const { world, pool } = openPool()
    leased(await pool.lease(call)).release({ error: failure('rate_limit_exceeded') })
    leased(await pool.lease(call)).release({ error: failure('insufficient_quota') })
    expect(await pool.lease(call)).toMatchObject({ status: 'wait', untilMs: 6000 })
    world.nowMs = 6000
    leased(await pool.lease(call)).release({ error: failure('insufficient_quota') })
    expect(await pool.lease(call)).toMatchObject({ status: 'wait', untilMs: 301_000 })
  })

  it('keeps the longest rest when calls that ran at once end in another order', async () => {
    const { pool } = openPool()
    const [first, second] = [leased(await pool.lease(call)), leased(await pool.lease(call))]
    first.release({ error: failure('rate_limit_exceeded', 900) })
    second.release({ error: failure('rate_limit_exceeded', 100) })
    expect(await pool.lease(without('b'))).toMatchObject({ status: 'wait', untilMs: 1900 })
  })

  it('takes a refused key out, does not tell to wait for it, and tries it again after a minute', async () => {
    const { world, pool } = openPool()
    leased(await pool.lease(call)).release({ error: failure('upstream_auth_failed') })
    expect(leased(await pool.lease(call)).name).toBe('b')
    leased(await pool.lease(call)).release({ error: failure('upstream_auth_failed') })
    expect(await pool.lease(call)).toEqual({ status: 'none' })
    world.nowMs += 60_000
    expect(leased(await pool.lease(call)).name).toBe('a')
  })

  it('keeps a key whose call ended well or failed for another reason', async () => {
    const { pool } = openPool()
    leased(await pool.lease(call)).release({})
    leased(await pool.lease(call)).release({ error: failure('upstream_error') })
    expect(leased(await pool.lease(call)).name).toBe('a')
  })

  it('takes the preferred key if it is free', async () => {
    const { pool } = openPool()
    const preferring = { ...call, prefer: 'b' }
    const preferred = leased(await pool.lease(preferring))
    expect(preferred.name).toBe('b')
    preferred.release({ error: failure('rate_limit_exceeded') })
    expect(leased(await pool.lease(preferring)).name).toBe('a')
  })

  it('leases a key for its own models alone', async () => {
    const keys = [
      { name: 'a', value: 'sk-a', models: { allow: ['gpt-*'], deny: ['*-mini'] } },
      { name: 'b', value: 'sk-b', models: { deny: ['gpt-*'] } },
    ]
    const pool = createKeyPool(keys)
    const namesFor = async (target: string): Promise<string> => {
      const lease = await pool.lease({ ...call, target })
      return lease.status === 'leased' ? String(lease.name) : lease.status
    }
    expect(await namesFor('gpt-5')).toBe('a')
    expect(await namesFor('o5')).toBe('b')
    expect(await namesFor('gpt-5-mini')).toBe('none')
  })

  it('never leases a key of weight 0', async () => {
    const pool = createKeyPool([{ name: 'a', value: 'sk-a', weight: 0 }])
    expect(await pool.lease(call)).toEqual({ status: 'none' })
  })

  it('tries a refused key by one call at a time, and uses it again when that has worked', async () => {
    const { world, pool } = openPool()
    leased(await pool.lease(call)).release({ error: failure('upstream_auth_failed') })
    world.nowMs += 60_000
    const probe = leased(await pool.lease(call))
    expect([probe.name, leased(await pool.lease(call)).name]).toEqual(['a', 'b'])
    expect(pool.look()[0]).toMatchObject({ name: 'a', isRefused: true })
    probe.release({})
    expect(leased(await pool.lease(call)).name).toBe('a')
    expect(pool.look()[0]).toMatchObject({ isRefused: false })
  })

  it('does not take the end of an earlier call for a proof that a refused key works', async () => {
    const { pool } = openPool()
    const [earlier, refused] = [leased(await pool.lease(call)), leased(await pool.lease(call))]
    refused.release({ error: failure('upstream_auth_failed') })
    earlier.release({})
    expect(leased(await pool.lease(call)).name).toBe('b')
  })

  it('tells once that a key is refused', async () => {
    const refusals: string[] = []
    const pool = createKeyPool([{ name: 'a', value: 'sk-a' }], { onRefused: (key) => refusals.push(key) })
    const [first, second] = [leased(await pool.lease(call)), leased(await pool.lease(call))]
    for (const lease of [first, second]) lease.release({ error: failure('upstream_auth_failed') })
    expect(refusals).toEqual(['a'])
  })

  describe('that is told what is left of a key', () => {
    const openTold = (tokens: number, requests = 10) => {
      const world = { nowMs: 1000 }
      const left = {
        requests: { remaining: requests, resetMs: 2_000 },
        tokens: { remaining: tokens, limit: 1_000, resetMs: 3_000 },
      }
      const keys = [{ name: 'a', value: 'sk-a' }]
      const pool = createKeyPool(keys, { random: () => 0, now: () => world.nowMs, readHeadroom: () => left })
      return { world, pool }
    }

    it('rests it until the reset when nothing is left', async () => {
      const { world, pool } = openTold(500, 0)
      leased(await pool.lease(call)).release({ headers: {} })
      expect(await pool.lease(call)).toMatchObject({ status: 'wait', untilMs: 3_000 })
      world.nowMs = 3_000
      expect(leased(await pool.lease(call)).name).toBe('a')
    })

    it('passes it over for a call that is larger than what is left, and for no other', async () => {
      const { world, pool } = openTold(100)
      leased(await pool.lease(call)).release({ headers: {} })
      expect(await pool.lease({ ...call, tokens: 101 })).toMatchObject({ status: 'wait', untilMs: 4_000 })
      expect(await pool.lease({ ...call, tokens: 100 })).toMatchObject({ status: 'leased' })
      world.nowMs = 4_000
      expect(await pool.lease({ ...call, tokens: 101 })).toMatchObject({ status: 'leased' })
    })

    it('does not ask how large a call is while much is left', async () => {
      const { pool } = openTold(900)
      leased(await pool.lease(call)).release({ headers: {} })
      const large = {
        ...call,
        get tokens(): number {
          throw new Error('somebody asked')
        },
      }
      expect(await pool.lease(large)).toMatchObject({ status: 'leased' })
      expect(pool.look()[0]?.headroom.tokens).toMatchObject({ remaining: 900, limit: 1_000 })
    })
  })

  it('has a lease without a key where there are none', async () => {
    expect(leased(await createKeyPool([]).lease(call))).toMatchObject({ name: null, value: undefined })
  })

  it.each(['', 'sk-1\n', 'sk-1\r\nx-evil: 1', 'sk 1', 'sk-é', 'sk\0'])(
    'refuses the key %j at start without telling it',
    (value) => {
      expect(() => createKeyPool([{ name: 'main', value }])).toThrow(/^Key main is empty, or holds/)
    },
  )

  it('refuses two keys of one name, and weights that are none', () => {
    const key = { name: 'a', value: 'sk' }
    expect(() => createKeyPool([key, key])).toThrow(/Two keys are named a/)
    for (const weight of [-1, NaN, Infinity]) {
      expect(() => createKeyPool([{ ...key, weight }])).toThrow(/weight of key a/)
    }
  })
})

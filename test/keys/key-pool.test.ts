import { describe, expect, it } from 'vitest'
import { type ErrorCode, GatewayError } from '#libs/core'
import { createKeyPool, type Lease, type LeaseResult } from '#libs/keys'

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
  it('chooses by weight', () => {
    const { world, pool } = openPool()
    const names = [0, 0.74, 0.75, 0.999].map((point) => {
      world.point = point
      return leased(pool.lease()).name
    })
    expect(names).toEqual(['a', 'a', 'b', 'b'])
  })

  it('leases no key that is excluded', () => {
    const { pool } = openPool()
    expect(leased(pool.lease(new Set(['a'])))).toMatchObject({ name: 'b', value: 'sk-b' })
    expect(pool.lease(new Set(['a', 'b']))).toEqual({ status: 'none' })
  })

  it('rests a limited key for as long as the provider asks, and says when the first is back', () => {
    const { world, pool } = openPool()
    leased(pool.lease()).release(failure('rate_limit_exceeded', 700))
    leased(pool.lease()).release(failure('rate_limit_exceeded', 300))
    expect(pool.lease()).toEqual({ status: 'cooling', untilMs: 1300 })
    expect(pool.lease(new Set(['b']))).toEqual({ status: 'cooling', untilMs: 1700 })
    world.nowMs = 1300
    expect(leased(pool.lease()).name).toBe('b')
    world.nowMs = 1700
    expect(leased(pool.lease()).name).toBe('a')
  })

  it('rests a limited key for a while where the provider asks for nothing, and a spent one for longer', () => {
    const { world, pool } = openPool()
    leased(pool.lease()).release(failure('rate_limit_exceeded'))
    leased(pool.lease()).release(failure('insufficient_quota'))
    expect(pool.lease()).toEqual({ status: 'cooling', untilMs: 6000 })
    world.nowMs = 6000
    leased(pool.lease()).release(failure('insufficient_quota'))
    expect(pool.lease()).toEqual({ status: 'cooling', untilMs: 301_000 })
  })

  it('keeps the longest rest when calls that ran at once end in another order', () => {
    const { pool } = openPool()
    const [first, second] = [leased(pool.lease()), leased(pool.lease())]
    first.release(failure('rate_limit_exceeded', 900))
    second.release(failure('rate_limit_exceeded', 100))
    expect(pool.lease(new Set(['b']))).toEqual({ status: 'cooling', untilMs: 1900 })
  })

  it('takes a refused key out, does not tell to wait for it, and tries it again after a minute', () => {
    const { world, pool } = openPool()
    leased(pool.lease()).release(failure('upstream_auth_failed'))
    expect(leased(pool.lease()).name).toBe('b')
    leased(pool.lease()).release(failure('upstream_auth_failed'))
    expect(pool.lease()).toEqual({ status: 'none' })
    world.nowMs += 60_000
    expect(leased(pool.lease()).name).toBe('a')
  })

  it('keeps a key whose call ended well or failed for another reason', () => {
    const { pool } = openPool()
    leased(pool.lease()).release()
    leased(pool.lease()).release(failure('upstream_error'))
    expect(leased(pool.lease()).name).toBe('a')
  })

  it('has no lease without keys', () => {
    expect(createKeyPool([]).lease()).toEqual({ status: 'none' })
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
    for (const weight of [0, -1, NaN, Infinity]) {
      expect(() => createKeyPool([{ ...key, weight }])).toThrow(/weight of key a/)
    }
  })
})

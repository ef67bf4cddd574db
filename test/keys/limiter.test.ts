import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createLimiter, type Meter, type Place, type PlaceRequest } from '#libs/keys'
import { connectRedis, keys, limitPrefix, type Redis } from '#libs/redis'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

let server: TestRedis
let redis: Redis
/** The limiter's clock. */
let nowMs: number
let numbers: number

beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
})
afterAll(async () => {
  redis.disconnect()
  await server.close()
})
beforeEach(async () => {
  await server.flush()
  nowMs = 1_800_000_000_000
  numbers = 0
})

const meter = (limits: Meter['limits'], name = 'key:p/a'): Meter => ({ name, limits })

function request(choices: PlaceRequest['choices'], more: Partial<PlaceRequest> = {}): PlaceRequest {
  numbers += 1
  const rid = more.rid ?? `run-${numbers}`
  return { id: `${rid} ${numbers}`, rid, tokens: 1, shared: [], choices, ...more }
}

const openLimiter = () => createLimiter(redis, { now: () => nowMs })
const standard = { name: 'p', urgency: 'standard' } as const

function waitOf(place: Place): number {
  if (place.status !== 'wait') throw new Error('expected to have to wait')
  return place.waitMs
}

describe('a limit of requests in a minute', () => {
  it('is never exceeded in any 60 seconds as the provider counts them, and is used up', async () => {
    const limiter = openLimiter()
    const gaps = fc.array(fc.tuple(fc.integer({ min: 0, max: 9_000 }), fc.integer({ min: 0, max: 2_000 })), {
      minLength: 30,
      maxLength: 60,
    })
    await fc.assert(
      fc.asyncProperty(gaps, async (calls) => {
        await server.flush()
        const arrivals: number[] = []
        for (const [gapMs, latencyMs] of calls) {
          nowMs += gapMs
          const place = await limiter.take(request([meter({ requestsPerMinute: 4 })]))
          if (place.status === 'taken') arrivals.push(nowMs + latencyMs)
          else expect(arrivals.filter((atMs) => atMs > nowMs - 63_000).length).toBeGreaterThanOrEqual(4)
        }
        arrivals.sort((left, right) => left - right)
        for (const [at, arrival] of arrivals.entries()) {
          expect((arrivals[at + 4] ?? Infinity) - arrival).toBeGreaterThanOrEqual(60_000)
        }
      }),
      { numRuns: 25, seed: 7 },
    )
  })

  it('tells when there is a place again, and there is', async () => {
    const limiter = openLimiter()
    const one = [meter({ requestsPerMinute: 2 })]
    await limiter.take(request(one))
    nowMs += 10_000
    await limiter.take(request(one))
    const waitMs = waitOf(await limiter.take(request(one)))
    expect(waitMs).toBeGreaterThan(50_000)
    expect(waitMs).toBeLessThan(54_000)
    nowMs += waitMs
    expect(await limiter.take(request(one))).toMatchObject({ status: 'taken' })
    expect(waitOf(await limiter.take(request(one)))).toBeLessThan(11_000)
  })

  it('says what is left', async () => {
    const limiter = openLimiter()
    const one = [meter({ requestsPerMinute: 2, tokensPerMinute: 100 })]
    expect(await limiter.take(request(one, { tokens: 30 }))).toEqual({
      status: 'taken',
      choice: 0,
      remaining: { requests: 1, tokens: 70 },
    })
    expect(await limiter.take(request([meter({ parallel: 1 })]))).toMatchObject({
      remaining: { requests: undefined, tokens: undefined },
    })
  })

  it('forgets what is long over, and leaves nothing in Redis', async () => {
    const limiter = openLimiter()
    const one = [meter({ requestsPerMinute: 1 })]
    await limiter.take(request(one))
    nowMs += 500_000
    expect(await limiter.take(request(one))).toMatchObject({ status: 'taken' })
    const fields = await redis.hgetall(`${limitPrefix}meter:key:p/a`)
    expect(fields).toMatchObject({ requests: '1' })
    for (const key of await server.held()) expect(await redis.pttl(key)).toBeGreaterThan(0)
  })

  it('counts what was sent twice once', async () => {
    const limiter = openLimiter()
    const twice = request([meter({ requestsPerMinute: 2 })])
    await limiter.take(twice)
    expect(await limiter.take(twice)).toMatchObject({ status: 'taken', choice: 0 })
    expect(await limiter.take(request([meter({ requestsPerMinute: 2 })]))).toMatchObject({ status: 'taken' })
  })

  it('does not count what was never sent', async () => {
    const limiter = openLimiter()
    const one = [meter({ requestsPerMinute: 1, tokensPerMinute: 100 })]
    const taken = request(one, { tokens: 100 })
    await limiter.take(taken)
    await limiter.release(taken.id, { isUnused: true })
    await limiter.release(taken.id, { isUnused: true })
    expect(await limiter.take(request(one, { tokens: 100 }))).toMatchObject({ status: 'taken' })
    expect(await limiter.take(request(one))).toMatchObject({ status: 'wait' })
  })
})

describe('a limit of tokens in a minute', () => {
  const one = [meter({ tokensPerMinute: 1_000 })]

  it('counts the estimate, and what was really used once that is known', async () => {
    const limiter = openLimiter()
    const large = request(one, { tokens: 900 })
    await limiter.take(large)
    expect(await limiter.take(request(one, { tokens: 200 }))).toMatchObject({ status: 'wait' })
    await limiter.release(large.id, { tokens: 100 })
    await limiter.release(large.id, { tokens: 100 })
    expect(await limiter.take(request(one, { tokens: 900 }))).toMatchObject({ status: 'taken' })
    expect(await limiter.take(request(one, { tokens: 1 }))).toMatchObject({ status: 'wait' })
  })

  it('is right when the end comes after the minute', async () => {
    const limiter = openLimiter()
    const large = request(one, { tokens: 900 })
    await limiter.take(large)
    nowMs += 70_000
    await limiter.release(large.id, { tokens: 100 })
    expect(await limiter.take(request(one, { tokens: 1_000 }))).toMatchObject({ status: 'taken' })
    expect(await limiter.take(request(one))).toMatchObject({ status: 'wait' })
  })

  it('lets a call alone that is larger than the limit', async () => {
    const limiter = openLimiter()
    expect(await limiter.take(request(one, { tokens: 5_000 }))).toMatchObject({ status: 'taken' })
    expect(await limiter.take(request(one, { tokens: 5_000 }))).toMatchObject({ status: 'wait' })
    nowMs += 63_000
    expect(await limiter.take(request(one, { tokens: 5_000 }))).toMatchObject({ status: 'taken' })
  })
})

describe('a limit of parallel calls', () => {
  const two = [meter({ parallel: 2 })]

  it('gives a place back when a call ends, once', async () => {
    const limiter = openLimiter()
    const first = request(two)
    await limiter.take(first)
    await limiter.take(request(two))
    expect(waitOf(await limiter.take(request(two)))).toBeLessThan(5_000)
    await limiter.release(first.id, {})
    await limiter.release(first.id, {})
    expect(await limiter.take(request(two))).toMatchObject({ status: 'taken' })
    expect(await limiter.take(request(two))).toMatchObject({ status: 'wait' })
  })

  async function beat(rid: string): Promise<void> {
    await redis.hset(keys.run(rid), 'state', 'dispatched')
    await redis.zadd(keys.running, String(nowMs), rid)
  }

  it('drops the lease of a worker that died, and never that of one that lives', async () => {
    const limiter = openLimiter()
    await limiter.take(request(two, { rid: 'dies' }))
    await limiter.take(request(two, { rid: 'lives' }))
    await beat('dies')
    for (let seconds = 0; seconds < 11; seconds++) {
      nowMs += 1_000
      await beat('lives')
      expect(await limiter.take(request(two))).toMatchObject({ status: 'wait' })
    }
    nowMs += 2_000
    await beat('lives')
    expect(await limiter.take(request(two, { rid: 'new' }))).toMatchObject({ status: 'taken' })
    expect(await limiter.take(request(two))).toMatchObject({ status: 'wait' })
    expect(
      (await redis.zrange(`${limitPrefix}calls:key:p/a`, '0', '-1')).map((id) => id.split(' ')[0]),
    ).toEqual(['lives', 'new'])
  })

  it('takes silence for no death while Redis could be heard by nobody', async () => {
    const limiter = openLimiter()
    for (const rid of ['one', 'two']) {
      await limiter.take(request(two, { rid }))
      await beat(rid)
    }
    nowMs += 60_000
    await redis.hset(keys.alive, 'since', String(nowMs - 1_000))
    expect(await limiter.take(request(two))).toMatchObject({ status: 'wait' })
  })

  it('holds a place for a run that waits, where the run holds it, until the run has ended', async () => {
    const limiter = openLimiter()
    const mine = (rid: string) => request([meter({ parallel: 1 }, 'client:a')], { rid, heldByRun: true })
    await limiter.take(mine('a'))
    await redis.hset(keys.run('a'), 'state', 'accepted')
    nowMs += 60_000
    expect(await limiter.take(mine('b'))).toMatchObject({ status: 'wait' })
    await redis.hset(keys.run('a'), 'state', 'ended')
    nowMs += 60_000
    expect(await limiter.take(mine('b'))).toMatchObject({ status: 'taken' })
  })
})

describe('several meters', () => {
  it('are all asked for a place, and the first choice with one is taken', async () => {
    const limiter = openLimiter()
    const choices = [
      meter({ requestsPerMinute: 1 }, 'key:p/a'),
      meter({ requestsPerMinute: 2 }, 'key:p/b'),
      undefined,
    ]
    const shared = [meter({ parallel: 5 }, 'target:p/m'), meter({ requestsPerMinute: 4 }, 'general')]
    const taken = []
    for (let calls = 0; calls < 4; calls++) {
      const place = await limiter.take(request(choices, { shared }))
      taken.push(place.status === 'taken' ? place.choice : place.status)
    }
    expect(taken).toEqual([0, 1, 1, 2])
    expect(await limiter.take(request(choices, { shared }))).toMatchObject({ status: 'wait' })
  })
})

describe('a line of waiting runs', () => {
  const keyPool = [meter({ requestsPerMinute: 100 }, 'key:p/a'), meter({ requestsPerMinute: 100 }, 'key:p/b')]

  it('tells each its own turn, and 500 runs behind 200 places need three rounds and come back once a turn', async () => {
    const limiter = openLimiter()
    const startMs = nowMs
    const due = new Map<string, number>()
    const doneAtMs: number[] = []
    let looks = 0
    const come = async (rid: string): Promise<void> => {
      looks += 1
      const place = await limiter.take(request(keyPool, { rid, line: standard }))
      if (place.status === 'wait') due.set(rid, nowMs + place.waitMs)
      else {
        due.delete(rid)
        doneAtMs.push(nowMs)
      }
    }
    for (let number = 0; number < 500; number++) {
      await come(`run-${number}`)
      nowMs += 1
    }
    expect(doneAtMs).toHaveLength(200)
    while (due.size > 0) {
      const [rid, atMs] = [...due].toSorted(([, left], [, right]) => left - right)[0]!
      nowMs = Math.max(nowMs, atMs)
      await come(rid)
    }
    expect(looks).toBeLessThan(850)
    expect(nowMs - startMs).toBeLessThan(128_000)
    for (const [at, atMs] of doneAtMs.entries()) {
      expect((doneAtMs[at + 200] ?? Infinity) - atMs).toBeGreaterThanOrEqual(62_000)
    }
  })

  const single = [meter({ requestsPerMinute: 1 })]

  it('keeps a place that is due from those who come later', async () => {
    const limiter = openLimiter()
    await limiter.take(request(single))
    nowMs += waitOf(await limiter.take(request(single, { rid: 'patient', line: standard })))
    expect(await limiter.take(request(single, { rid: 'late', line: standard }))).toMatchObject({
      status: 'wait',
    })
    expect(await limiter.take(request(single, { rid: 'patient', line: standard }))).toMatchObject({
      status: 'taken',
    })
  })

  it('lets an earlier lane go first, and not a later one', async () => {
    const limiter = openLimiter()
    await limiter.take(request(single))
    const lane = (urgency: 'interactive' | 'standard' | 'batch') => ({
      rid: urgency,
      line: { name: 'p', urgency },
    })
    const batchMs = waitOf(await limiter.take(request(single, lane('batch'))))
    const standardMs = waitOf(await limiter.take(request(single, lane('standard'))))
    expect(Math.abs(batchMs - standardMs)).toBeLessThan(1_500)
    nowMs += Math.max(batchMs, standardMs)
    expect(await limiter.take(request(single, lane('batch')))).toMatchObject({ status: 'wait' })
    expect(await limiter.take(request(single, lane('interactive')))).toMatchObject({ status: 'taken' })
    const laterMs = waitOf(await limiter.take(request(single, lane('standard'))))
    expect(laterMs).toBeGreaterThan(59_000)
    nowMs += laterMs
    expect(await limiter.take(request(single, lane('standard')))).toMatchObject({ status: 'taken' })
  })

  it('forgets a run that does not want to wait', async () => {
    const limiter = openLimiter()
    await limiter.take(request(single))
    const waitMs = waitOf(await limiter.take(request(single, { rid: 'gone', line: standard })))
    await limiter.leave(standard, 'gone')
    nowMs += waitMs
    expect(await limiter.take(request(single, { rid: 'late', line: standard }))).toMatchObject({
      status: 'taken',
    })
  })

  it('gives away the turn of a run that does not come', async () => {
    const limiter = openLimiter()
    await limiter.take(request(single))
    nowMs += waitOf(await limiter.take(request(single, { rid: 'gone', line: standard })))
    nowMs += 6_000
    expect(await limiter.take(request(single, { rid: 'late', line: standard }))).toMatchObject({
      status: 'taken',
    })
  })
})

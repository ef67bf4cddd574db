import { connectRedis, keys, type Redis } from '#libs/redis'
import { defaultBreaker } from '#libs/routing'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createCircuits, type Circuits, type Tally } from '../../../libs/routing/health/circuits.ts'
import { startTestRedis, type TestRedis } from '../../support/redis.ts'
import { ask, closedCircuit, judgeCalls, judgeProbe, type CircuitModel } from './circuit-model.ts'

let server: TestRedis
let redis: Redis
let circuits: Circuits
beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
  circuits = createCircuits(redis, Date.now)
})
beforeEach(() => server.flush())
afterAll(async () => {
  redis.disconnect()
  await server.close()
})

const subject = 'p/m'
const noCall: Tally = { calls: 0, slow: 0, sick: false, group: '', limit: 0 }
const sickCall: Tally = { ...noCall, calls: 1, sick: true }

test('whatever befalls a circuit, it is what the model says', async () => {
  const settings = {
    ...defaultBreaker,
    minCalls: 3,
    failureRate: 0.5,
    probes: 2,
    openMs: 60_000,
    maxOpenMs: 60_000,
  }
  const event = fc.oneof(
    fc.record({ type: fc.constant('well' as const), calls: fc.integer({ min: 1, max: 2 }) }),
    fc.constant({ type: 'sick' as const }),
    fc.constant({ type: 'ask' as const }),
    fc.record({
      type: fc.constant('end' as const),
      verdict: fc.constantFrom('well', 'sick', 'nothing'),
      at: fc.nat(5),
    }),
    fc.constant({ type: 'restIsOver' as const }),
    fc.constant({ type: 'probesAreOld' as const }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 40 }), async (events) => {
      await server.flush()
      const model: CircuitModel = { ...closedCircuit }
      const probes: { name: string; generation: number; isPlaced: boolean }[] = []
      for (const [index, step] of events.entries()) {
        if (step.type === 'well') {
          const tally = { ...noCall, calls: step.calls }
          const expected = judgeCalls(model, settings, step.calls, false)
          expect(await circuits.judge(subject, settings, tally)).toBe(expected)
        } else if (step.type === 'sick') {
          const expected = judgeCalls(model, settings, 1, true)
          expect(await circuits.judge(subject, settings, sickCall)).toBe(expected)
        } else if (step.type === 'ask') {
          const expected = ask(model, settings)
          const answer = await circuits.ask(subject, settings, `t${index}`)
          expect(answer.status).toBe(expected)
          if (answer.status === 'probe') {
            probes.push({ name: answer.probe, generation: model.opens, isPlaced: true })
          }
        } else if (step.type === 'end') {
          const [probe] = probes.splice(step.at % Math.max(1, probes.length), 1)
          if (probe === undefined) continue
          const verdict = step.verdict as 'well' | 'sick' | 'nothing'
          const expected = judgeProbe(model, settings, probe, verdict)
          const tally = { ...noCall, probe: probe.name, verdict }
          expect(await circuits.judge(subject, settings, tally)).toBe(expected)
        } else if (step.type === 'restIsOver') {
          if (model.state !== 'open') continue
          model.isRestOver = true
          await redis.hset(keys.circuit(subject), 'until', 0)
        } else {
          // Old probes lose their places only when somebody asks for one.
          if (model.state !== 'half-open') continue
          model.taken = 0
          for (const probe of probes) {
            probe.isPlaced = false
            const field = `probe ${probe.name.split(' ')[1]}`
            if ((await redis.hexists(keys.circuit(subject), field)) === 1) {
              await redis.hset(keys.circuit(subject), field, 0)
            }
          }
        }
        const listed = await redis.hget(keys.circuits, subject)
        expect(listed?.split(' ')[0] ?? 'closed').toBe(model.state)
      }
    }),
    { numRuns: 60 },
  )
})

test('a rest grows with each opening that follows soon, up to its longest', async () => {
  const settings = { ...defaultBreaker, minCalls: 1, openMs: 1_000, maxOpenMs: 3_000 }
  const rests: number[] = []
  await circuits.judge(subject, settings, sickCall)
  for (let opening = 1; opening <= 4; opening += 1) {
    const answer = await circuits.ask(subject, settings, 'early')
    rests.push(answer.status === 'open' ? Math.ceil(answer.restMs / 500) * 500 : 0)
    await redis.hset(keys.circuit(subject), 'until', 0)
    const probe = await circuits.ask(subject, settings, 't')
    expect(probe).toEqual({ status: 'probe', probe: `${opening} t` })
    await circuits.judge(subject, settings, { ...noCall, probe: `${opening} t`, verdict: 'sick' })
  }
  expect(rests).toEqual([1_000, 2_000, 3_000, 3_000])
})

test('what happened before the window counts no more', async () => {
  const settings = { ...defaultBreaker, windowMs: 10_000, minCalls: 4, failureRate: 0.5 }
  for (let call = 0; call < 3; call += 1) await circuits.judge(subject, settings, sickCall)
  const bucket = Math.floor(Date.now() / 1_000)
  const fields = await redis.hgetall(keys.circuit(subject))
  await redis.del(keys.circuit(subject))
  for (const [field, count] of Object.entries(fields)) {
    await redis.hset(keys.circuit(subject), `${field.split(' ')[0]} ${bucket - 11}`, count)
  }

  expect(await circuits.judge(subject, settings, sickCall)).toBe('same')
  expect(Object.keys(await redis.hgetall(keys.circuit(subject)))).toHaveLength(2)
})

test('a limit of a class opens when it is exceeded, and slow calls open by their own rate', async () => {
  const counted = { ...sickCall, group: 'rateLimit', limit: 2 }
  const replies: string[] = []
  for (let call = 0; call < 3; call += 1)
    replies.push(await circuits.judge('p/limited', defaultBreaker, counted))
  expect(replies).toEqual(['same', 'same', 'opened'])

  const slow = { ...noCall, calls: 10, slow: 8 }
  expect(await circuits.judge('p/slow', defaultBreaker, { ...slow, slow: 7 })).toBe('same')
  expect(await circuits.judge('p/slower', defaultBreaker, slow)).toBe('opened')
})

test('of circuits there is a bounded number, and closed ones expire', async () => {
  const full = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, at) => [`p/${at}`, 'open 9999999999999 1']),
  )
  await redis.hset(keys.circuits, full)
  const settings = { ...defaultBreaker, minCalls: 1 }

  expect(await circuits.judge(subject, settings, sickCall)).toBe('same')
  expect(await redis.pttl(keys.circuit(subject))).toBeGreaterThan(0)
  await redis.del(keys.circuits)
  expect(await circuits.judge(subject, settings, sickCall)).toBe('opened')
  expect(await redis.pttl(keys.circuit(subject))).toBeGreaterThan(0)
})

test('the copy follows what is told and what is read, on the clock of this process', async () => {
  circuits.hear('p/m\nopen 5000 1')
  expect(circuits.of('p/m')).toMatchObject({ state: 'open', opens: 1 })
  expect(circuits.of('p/m')?.untilMs).toBeGreaterThan(Date.now() + 4_000)
  circuits.hear('p/m\nclosed 0 1')
  expect(circuits.isEmpty).toBe(true)

  const redisMs = Date.now() - 3_600_000
  circuits.replace({ 'p/m': `open ${redisMs + 5_000} 2` }, redisMs)
  expect(circuits.of('p/m')?.untilMs).toBeGreaterThan(Date.now() + 4_000)
  circuits.replace({}, redisMs)
})

import type { ErrorCode } from '#libs/core'
import { connectRedis, keys, type Redis } from '#libs/redis'
import { createHealth, defaultBreaker, type Health, type TargetId } from '#libs/routing'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../support/gateway.ts'
import { startTestRedis, type TestRedis } from '../../support/redis.ts'

let server: TestRedis
let redis: Redis
beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
})
beforeEach(() => server.flush())
afterAll(async () => {
  redis.disconnect()
  await server.close()
})

const target: TargetId = { provider: 'p', model: 'm' }

/** A process of its own, as far as health goes. */
async function startHealth(settings: Partial<typeof defaultBreaker> = {}): Promise<Health> {
  const subscriber = await connectRedis(server.url, 'subscriber')
  const errors: unknown[] = []
  const health = await createHealth({
    redis,
    subscriber,
    settingsOf: () => ({ ...defaultBreaker, minCalls: 4, openMs: 60_000, ...settings }),
    keysOf: (provider) => (provider === 'p' ? 2 : 1),
    onError: (error) => errors.push(error),
  })
  onTestFinished(async () => {
    await health.close()
    subscriber.disconnect()
    expect(errors).toEqual([])
  })
  return health
}

async function call(health: Health, error?: ErrorCode, key: string | null = null): Promise<string> {
  const admitted = await health.admit(target, key)
  if (admitted.status !== 'open') admitted.report({ error, tokens: 10 })
  return admitted.status
}

async function endRest(subject = 'p/m'): Promise<void> {
  const past = Date.now() - 1_000
  await redis.hset(keys.circuit(subject), 'until', past)
  await redis.hset(keys.circuits, subject, `open ${past} 1`)
}

test('failures of all processes together open a circuit, and all hear of it at once', async () => {
  const [one, other] = [await startHealth(), await startHealth()]
  for (const health of [one, other, one, other]) expect(await call(health, 'upstream_error')).toBe('call')

  for (const health of [one, other]) {
    await eventually('the circuit is open', () => health.look(target).circuit === 'open', 500)
    expect(await call(health)).toBe('open')
  }
  expect(one.circuits()).toMatchObject([
    { provider: 'p', model: 'm', key: undefined, state: 'open', opens: 1 },
  ])
})

test('failures among many successes open nothing, whoever saw which', async () => {
  const [one, other] = [await startHealth(), await startHealth()]
  for (let calls = 0; calls < 30; calls += 1) await call(one)
  await one.refresh()
  for (let calls = 0; calls < 10; calls += 1) await call(other, 'upstream_error')
  await other.refresh()

  expect(other.look(target).circuit).toBe('closed')
})

test('of all calls that ask when the rest is over one may try, and closes the circuit when it is heard', async () => {
  const health = await startHealth()
  for (let calls = 0; calls < 4; calls += 1) await call(health, 'upstream_timeout')
  await eventually('the circuit is open', () => health.look(target).circuit === 'open')
  await endRest()
  await health.refresh()
  expect(health.look(target).circuit).toBe('half-open')

  const answers = await Promise.all(Array.from({ length: 5 }, () => health.admit(target, null)))
  expect(answers.map(({ status }) => status).toSorted()).toEqual(['open', 'open', 'open', 'open', 'probe'])
  const [probe] = answers.filter((answer) => answer.status !== 'open')
  probe?.heard()
  await eventually('the circuit is closed', () => health.look(target).circuit === 'closed')
  probe?.report({ error: 'upstream_incomplete' })
  expect(await call(health)).toBe('call')
})

test('a probe that fails opens the circuit again, and one that was cancelled gives its place back', async () => {
  const health = await startHealth()
  for (let calls = 0; calls < 4; calls += 1) await call(health, 'upstream_error')
  await eventually('the circuit is open', () => health.look(target).circuit === 'open')
  await endRest()
  await health.refresh()

  expect(await call(health, 'cancelled')).toBe('probe')
  await eventually('its place is free', async () => (await call(health, 'upstream_error')) === 'probe')
  await eventually('the circuit is open', () => health.look(target).circuit === 'open')
  expect(health.circuits()[0]?.opens).toBe(2)
})

test('a key that fails is named, while its target stays well', async () => {
  const health = await startHealth()
  for (let calls = 0; calls < 8; calls += 1) await call(health, undefined, 'good')
  for (let calls = 0; calls < 4; calls += 1) await call(health, 'upstream_error', 'bad')

  await eventually('the key is sick', () => health.look(target).sickKeys.includes('bad'))
  expect(health.look(target)).toMatchObject({ circuit: 'closed', sickKeys: ['bad'] })
  expect(await health.admit(target, 'bad')).toMatchObject({ status: 'open', of: 'key' })
  expect(await call(health, undefined, 'good')).toBe('call')
})

test('who never rests is always called', async () => {
  const health = await startHealth({ openMs: 0 })
  for (let calls = 0; calls < 20; calls += 1) expect(await call(health, 'upstream_error')).toBe('call')
  await health.refresh()
  expect(await server.held()).not.toContain(keys.circuit('p/m'))
})

test('the board sums up what all processes do, and forgets what a dead one did', async () => {
  // What is counted by the minute begins anew with the next one.
  await eventually('the minute is not about to end', () => Date.now() % 60_000 < 57_000)
  const [one, other] = [await startHealth(), await startHealth()]
  const running = await one.admit(target, null)
  await other.admit(target, null)
  await call(other)
  await Promise.all([one.refresh(), other.refresh()])
  await one.refresh()
  expect(one.look(target)).toMatchObject({ inFlight: 2, requestsThisMinute: 3, tokensThisMinute: 10 })
  expect(one.look(target).latencyMs).toBeGreaterThanOrEqual(0)

  // The other one falls silent.
  await other.close()
  const processes = await redis.zrange(keys.callers, '0', '-1')
  const held = await Promise.all(processes.map((process) => redis.hgetall(keys.callsOf(process))))
  expect(held).toEqual([{ 'p/m': '1' }, { 'p/m': '1' }])
  for (const process of processes) await redis.zadd(keys.callers, '0', process)
  await one.refresh()
  expect(one.look(target).inFlight).toBe(1)

  if (running.status === 'call') running.report({})
  await one.refresh()
  expect(one.look(target).inFlight).toBe(0)
  for (const key of await server.held()) expect(Number(await redis.pttl(key)), key).toBeGreaterThan(0)
})

test('a target that nobody calls any more leaves the board', async () => {
  const health = await startHealth()
  await call(health)
  await redis.hset(keys.board, 'p/gone', '0 1 1 1 5.0 1 1')
  await redis.del(keys.boardSwept)
  await call(health)
  await health.refresh()
  expect(Object.keys(await redis.hgetall(keys.board))).toEqual(['p/m'])
})

test('a target at its limits rests for all, until then', async () => {
  const [one, other] = [await startHealth(), await startHealth()]
  const untilMs = Date.now() + 30_000
  one.rest(target, untilMs)

  await eventually('it rests', () => other.look(target).isResting, 500)
  expect(Math.abs(other.look(target).untilMs - untilMs)).toBeLessThan(1_000)
  expect(other.look(target).circuit).toBe('closed')
})

test('what this process has chosen counts until the next news', async () => {
  const health = await startHealth()
  health.chose(target)
  expect(health.look(target).inFlight).toBe(1)
  await health.refresh()
  expect(health.look(target).inFlight).toBe(0)
})

import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { connectKeyRests, type KeyRests } from '#libs/keys'
import { connectRedis, keys, type Redis } from '#libs/redis'
import { eventually } from '../support/gateway.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

let server: TestRedis
let redis: Redis
const opened: (() => void)[] = []

beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
})
afterAll(async () => {
  redis.disconnect()
  await server.close()
})
beforeEach(() => server.flush())
afterEach(() => {
  for (const close of opened.splice(0)) close()
})

/** As a process of its own would have it. */
async function open(): Promise<KeyRests> {
  const subscriber = await connectRedis(server.url, 'subscriber')
  const onError = (error: unknown): void => {
    throw error
  }
  const rests = await connectKeyRests({ redis, subscriber, onError })
  opened.push(() => {
    rests.close()
    subscriber.disconnect()
  })
  return rests
}

it('a rest counts here at once, and everywhere soon, for exactly that key', async () => {
  const [here, there] = [await open(), await open()]
  here.rest('p', 'a', { reason: 'limited', restMs: 30_000 })
  expect(here.look('p', 'a')).toMatchObject({ reason: 'limited' })
  await eventually('the other knows', () => there.look('p', 'a') !== undefined, 800)
  expect(there.look('p', 'a')!.untilMs - Date.now()).toBeGreaterThan(28_000)
  expect(there.look('p', 'b')).toBeUndefined()
  expect(there.look('q', 'a')).toBeUndefined()
})

it('a rest outlives the process that learned it, and ends by itself', async () => {
  const first = await open()
  first.rest('p', 'a', { reason: 'limited', restMs: 700 })
  await eventually('it is written', async () => (await redis.hlen(keys.resting)) === 1)
  opened.splice(0).forEach((close) => close())
  const second = await open()
  expect(second.look('p', 'a')).toMatchObject({ reason: 'limited' })
  await eventually('the rest is over', () => second.look('p', 'a') === undefined)
  await eventually('it is forgotten', async () => (await redis.hlen(keys.resting)) === 0, 3_000)
})

it('the longest rest counts, and a refusal beats it', async () => {
  const [here, there] = [await open(), await open()]
  here.rest('p', 'a', { reason: 'limited', restMs: 50_000 })
  here.rest('p', 'a', { reason: 'limited', restMs: 1_000 })
  here.rest('p', 'b', { reason: 'refused', restMs: 50_000 })
  here.rest('p', 'b', { reason: 'limited', restMs: 90_000 })
  for (const rests of [here, there]) {
    await eventually('it knows both', () => rests.look('p', 'b') !== undefined)
    expect(rests.look('p', 'a')!.untilMs - Date.now()).toBeGreaterThan(45_000)
    expect(rests.look('p', 'b')).toMatchObject({ reason: 'refused' })
  }
})

it('one process alone may try a refused key, and tells the others when it works', async () => {
  const [here, there] = [await open(), await open()]
  here.rest('p', 'a', { reason: 'refused', restMs: 300 })
  await eventually('the other knows', () => there.look('p', 'a') !== undefined)
  expect(await there.probe('p', 'a')).toBe(false)
  await eventually('the time has come', async () => {
    const held = (await redis.hget(keys.resting, 'p a')) ?? ''
    return Number(held.split(' ')[0]) < Date.now()
  })
  const probes = await Promise.all([here.probe('p', 'a'), there.probe('p', 'a')])
  expect(probes.filter(Boolean)).toHaveLength(1)
  expect(here.look('p', 'a')!.untilMs).toBeGreaterThan(Date.now() + 50_000)

  here.clear('p', 'a')

  await eventually('the other knows', () => there.look('p', 'a') === undefined)
  expect(await redis.hlen(keys.resting)).toBe(0)
})

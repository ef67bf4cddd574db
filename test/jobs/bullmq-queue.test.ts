import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createBullmqQueue, createBullmqWorker, type JobQueue, type JobResult } from '#libs/jobs'
import { connectRedis, type Redis } from '#libs/redis'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

let server: TestRedis
let redis: Redis
let queue: JobQueue

beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'jobs')
})
beforeEach(async () => {
  await server.flush()
  queue = createBullmqQueue('p', redis)
})
afterEach(() => queue.close())
afterAll(async () => {
  redis.disconnect()
  await server.close()
})

/** Takes jobs one at a time until so many were done, and gives them in that order. */
async function take(count: number, decide: (rid: string) => JobResult = () => ({ status: 'done' })) {
  const taken: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  await queue.setConcurrency(1)
  const worker = createBullmqWorker({
    provider: 'p',
    redis,
    concurrency: 1,
    async process(rid) {
      if (taken.push(rid) === count) resolve()
      return decide(rid)
    },
    onError: reject,
  })
  await promise
  await worker.close()
  return taken
}

test('jobs go by their priority, those of one priority as they came, and 0 before all', async () => {
  const priorities = { d: 2_097_150, c: 700_000, b: 700_000, e: 0, f: 1, g: 0 }
  for (const [rid, priority] of Object.entries(priorities)) await queue.add(rid, priority)

  const order = ['e', 'g', 'f', 'c', 'b', 'd']
  expect(await Promise.all(order.map((rid) => queue.position(rid)))).toEqual([0, 1, 2, 3, 4, 5])
  expect(await take(6)).toEqual(order)
  expect(await queue.position('d')).toBeUndefined()
})

test('the first of a range of priorities are found in their order', async () => {
  const priorities = { a: 15, b: 9, c: 10, d: 0, e: 19, f: 20, g: 10 }
  for (const [rid, priority] of Object.entries(priorities)) await queue.add(rid, priority)

  expect(await queue.first(10, 10, 10)).toEqual(['c', 'g', 'a', 'e'])
  expect(await queue.first(10, 10, 2)).toEqual(['c', 'g'])
})

test('a job gets another priority while it waits, and no harm is done where there is none', async () => {
  for (const rid of ['a', 'b', 'c']) await queue.add(rid, 5)

  await queue.setPriority('c', 0)
  await queue.setPriority('nobody', 0)

  expect(await take(3)).toEqual(['c', 'a', 'b'])
})

test('a job overtakes those of priority 0 too', async () => {
  for (const [rid, priority] of Object.entries({ a: 0, b: 0, c: 700_000, d: 5 }))
    await queue.add(rid, priority)

  await queue.overtake('c')
  await queue.overtake('nobody')

  expect(await queue.position('a')).toBe(1)
  expect(await take(4)).toEqual(['c', 'a', 'b', 'd'])
})

test('a delayed job has no turn until its delay is ended', async () => {
  await queue.add('a', 5, 60_000)
  await queue.add('b', 5)
  expect(await queue.position('a')).toBeUndefined()

  expect(await queue.hurry('a')).toBe(true)
  expect(await queue.hurry('a')).toBe(false)
  expect(await queue.hurry('nobody')).toBe(false)

  expect(await queue.position('a')).toBe(1)
  expect(await take(2)).toEqual(['b', 'a'])
})

test('a job that is put off keeps its priority, or has the one that it was given', async () => {
  for (const rid of ['a', 'b', 'c']) await queue.add(rid, 5)

  await take(3, () => ({ status: 'later', atMs: Date.now() + 60_000 }))
  await queue.setPriority('c', 3)
  for (const rid of ['b', 'a', 'c']) expect(await queue.hurry(rid)).toBe(true)

  expect(await take(3)).toEqual(['c', 'b', 'a'])
})

test('a queue that was made while Redis was slow adds jobs when it is back', async () => {
  const impatient = await connectRedis(server.url, 'request')
  await redis.client('PAUSE', 3_000)
  const early = createBullmqQueue('early', impatient)
  await expect(early.add('a', 0)).rejects.toThrow(/timed out/)
  await redis.ping()
  await early.add('b', 0)
  expect(await early.missing(['b'])).toEqual([])
  await early.close()
  impatient.disconnect()
})

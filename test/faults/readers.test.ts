import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type Fleet } from './fleet.ts'
import { createRandom } from './random.ts'
import { readMany } from './read-many.ts'
import { scaled, seed } from './scale.ts'
import { clean, judge } from './verdict.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ apis: 2, workers: 2 })
})
afterAll(() => fleet.close())

test('an API killed in mid-stream loses no frame of clients that go on at another', async () => {
  const model = 'lorem?tokens=60&gap_ms=50'
  const reading = readMany(fleet, { name: 'api', streams: 100, model, deadlineMs: 25_000 })
  await sleep(1_500)

  await fleet.apis[0]?.kill()
  const results = await reading

  const { verdict, completed, resumes } = await judge(fleet, results, { model })
  expect({ verdict, completed }).toEqual({ verdict: clean, completed: 100 })
  expect(resumes).toBeGreaterThan(20)
  fleet.apis.shift()
  await fleet.addApi()
})

test(
  'subscriptions killed five times a second lose no frame',
  async () => {
    const model = `lorem?tokens=${scaled(100, 1_000)}&gap_ms=40`
    const reading = readMany(fleet, { name: 'deaf', streams: 100, model, deadlineMs: scaled(25_000, 90_000) })
    let isOver = false
    const killing = (async () => {
      while (!isOver) {
        await fleet.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
        await sleep(200)
      }
    })()
    const results = await reading
    isOver = true
    await killing

    const { verdict, completed } = await judge(fleet, results, { model })
    expect({ verdict, completed }).toEqual({ verdict: clean, completed: 100 })
  },
  scaled(30_000, 120_000),
)

test('clients that leave at any frame get the rest when they come back', async () => {
  const tokens = 30
  const model = `lorem?tokens=${tokens}&gap_ms=20`
  const random = createRandom(seed)
  const results = await Promise.all(
    Array.from({ length: tokens }, async (_, index) => {
      const leaveAfter = new Set([index, random.below(tokens), random.below(tokens)])
      const [result] = await readMany(fleet, {
        name: `leaver ${index}`,
        streams: 1,
        model,
        deadlineMs: 20_000,
        leaveAfter,
      })
      return result!
    }),
  )

  const { verdict, completed, resumes } = await judge(fleet, results, { model })
  expect({ verdict, completed }).toEqual({ verdict: clean, completed: tokens })
  expect(resumes).toBeGreaterThanOrEqual(tokens)
})

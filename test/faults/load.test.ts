import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type Fleet } from './fleet.ts'
import { readMany } from './read-many.ts'
import { clean, judge } from './verdict.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ apis: 2, workers: 3, concurrency: 150 })
})
afterAll(() => fleet.close())

test('200 streams at once, more than the provider takes, arrive whole', async () => {
  const model = 'lorem?tokens=30&gap_ms=20'

  const results = await readMany(fleet, { streams: 200, model, deadlineMs: 25_000 })

  const { verdict, completed } = await judge(fleet, results, { model })
  expect(verdict).toEqual(clean)
  expect(completed).toBe(200)
  expect((await fleet.journal()).totals.maxInFlight).toBeLessThanOrEqual(150)
})

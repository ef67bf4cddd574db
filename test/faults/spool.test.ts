import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/gateway.ts'
import { startFleet, type Fleet } from './fleet.ts'
import { readMany } from './read-many.ts'
import { clean, judge } from './verdict.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ apis: 1, workers: 1 })
})
afterAll(() => fleet.close())

const spooled = (): Promise<string[]> => readdir(join(fleet.directory, 'spool')).catch(() => [])

test('answers that were finished while Redis was away outlive their worker', async () => {
  const model = 'lorem?tokens=40&gap_ms=40'
  const begun = Promise.withResolvers<void>()
  const reading = readMany(fleet, {
    name: 'spooled',
    streams: 5,
    model,
    deadlineMs: 40_000,
    onFrame: () => begun.resolve(),
  })
  await begun.promise
  await fleet.redis.kill()
  await eventually('all answers are in the spool', async () => {
    return (await spooled()).filter((name) => name.endsWith('.json')).length === 5
  })

  await fleet.workers[0]?.kill()
  await fleet.redis.start()
  await fleet.addWorker()
  const results = await reading

  const { verdict, completed, failed } = await judge(fleet, results, { model, archivedWithinMs: 15_000 })
  expect({ verdict, completed, failed }).toEqual({ verdict: clean, completed: 5, failed: {} })
  expect(await spooled()).toEqual([])
}, 60_000)

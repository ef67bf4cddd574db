import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type Fleet } from './fleet.ts'
import { readMany } from './read-many.ts'
import { clean, judge } from './verdict.ts'

let fleet: Fleet
beforeAll(async () => {
  const timeouts = { connect_ms: 1_000, first_byte_ms: 1_500, idle_ms: 1_000, total_ms: 20_000 }
  fleet = await startFleet({ apis: 1, workers: 2, provider: { timeouts } })
})
afterAll(() => fleet.close())

test.each([
  ['says nothing at all', 'lorem?tokens=9&fail=stall', { upstream_timeout: 20 }],
  ['falls silent in mid-answer', 'lorem?tokens=9&fail=stall&at=4', { upstream_timeout: 20 }],
  ['resets the connection before its answer', 'lorem?tokens=9&fail=reset', { upstream_outcome_unknown: 20 }],
  ['resets the connection in mid-answer', 'lorem?tokens=9&fail=reset&at=4', { upstream_incomplete: 20 }],
  ['ends without a finish', 'lorem?tokens=9&fail=truncate&at=4', { upstream_incomplete: 20 }],
  ['tells an error in mid-answer', 'lorem?tokens=9&fail=error&at=4', { upstream_error: 20 }],
])('a provider that %s costs one call, and its client is told', async (what, model, failures) => {
  const results = await readMany(fleet, { name: what, streams: 20, model, deadlineMs: 8_000 })

  const { verdict, failed } = await judge(fleet, results, { model })
  expect({ verdict, failed }).toEqual({ verdict: clean, failed: failures })
})

test('an answer that comes byte by byte is whole', async () => {
  const model = 'lorem?tokens=6&gap_ms=5'
  const doubledBefore = Object.values((await fleet.journal()).prompts.repeated).reduce((a, b) => a + b - 1, 0)
  fleet.providerProxy.set({ sliceBytes: 1 })

  const results = await readMany(fleet, { name: 'bytes', streams: 5, model, deadlineMs: 15_000 })
  fleet.providerProxy.set({})

  const { verdict, completed } = await judge(fleet, results, { model })
  expect({ verdict, completed }).toEqual({ verdict: { ...clean, doubledCalls: doubledBefore }, completed: 5 })
})

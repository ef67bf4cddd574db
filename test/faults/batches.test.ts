import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type Fleet } from './fleet.ts'
import { countDone, handIn, judgeBatch } from './hand-in.ts'

/** A holder is taken for dead after ten seconds, a worker after twelve and the sweep behind it. */
const deadlineMs = 30_000

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ apis: 2, workers: 2, concurrency: 40 })
})
afterAll(() => fleet.close())

/** The API process that carries a batch, as its own metrics tell. */
async function findHolder() {
  for (const api of fleet.apis.filter(({ isAlive }) => isAlive)) {
    const metrics = await (await fetch(`${api.ready}/metrics`)).text()
    if (/^millrace_held_batches 1$/m.test(metrics)) return api
  }
  throw new Error('Nobody carries the batch.')
}

test('a batch whose holder and a worker are killed has every line once, and paid for once', async () => {
  const lines = 300
  const id = await handIn(fleet, lines, 'lorem?tokens=10&gap_ms=40')
  while ((await countDone(fleet, id)) < 40) await sleep(50)
  const holder = await findHolder()
  await Promise.all([holder.kill(), fleet.workers[0]?.kill()])

  const verdict = await judgeBatch(fleet, id, lines, deadlineMs)
  const { upstream_outcome_unknown: unknown = 0, ...others } = verdict.failed
  expect(others).toEqual({})
  // What the worker had under way when it died: whether the provider acted, nobody knows.
  expect(unknown).toBeGreaterThan(0)
  expect(unknown).toBeLessThanOrEqual(40)
  expect(verdict).toMatchObject({ status: 'completed', missing: 0, doubled: 0, doubledCalls: 0 })
  expect(verdict.completed).toBe(lines - unknown)
}, 60_000)

test('a batch outlives a Redis that forgets it', async () => {
  const id = await handIn(fleet, 30, 'lorem?tokens=10&gap_ms=100')
  await sleep(500)
  await fleet.client.flushall()
  const api = await fleet.addApi()
  await fleet.apis.find(({ isAlive, ready }) => isAlive && ready !== api.ready)?.stop()
  const verdict = await judgeBatch(fleet, id, 30, deadlineMs)
  expect(verdict).toMatchObject({ status: 'completed', missing: 0, doubled: 0 })
}, 60_000)

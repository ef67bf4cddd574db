import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TierProcess } from '../support/tier-process.ts'
import { startFleet, type Fleet } from './fleet.ts'
import { readMany } from './read-many.ts'
import { scaled } from './scale.ts'
import { clean, judge } from './verdict.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ apis: 2, workers: 2 })
})
afterAll(() => fleet.close())

/** A new one is there before the old one goes. */
async function replace(among: TierProcess[], add: () => Promise<TierProcess>): Promise<void> {
  const old = among[0]
  await add()
  await old?.stop()
  among.splice(0, 1)
}

const rounds = scaled(3, 10)

test(
  `both tiers replaced ${rounds} times under load cost no client anything`,
  async () => {
    const model = 'lorem?tokens=20&gap_ms=40'
    const rampMs = rounds * 3_000
    const reading = readMany(fleet, {
      name: 'rolling',
      streams: rounds * 40,
      model,
      rampMs,
      deadlineMs: rampMs + 20_000,
    })

    for (let round = 0; round < rounds; round += 1) {
      await replace(fleet.apis, () => fleet.addApi())
      await replace(fleet.workers, () => fleet.addWorker())
    }
    const results = await reading

    const { verdict, completed, failed } = await judge(fleet, results, { model })
    expect({ verdict, failed }).toEqual({ verdict: clean, failed: {} })
    expect(completed).toBe(rounds * 40)
  },
  scaled(60_000, 180_000),
)

test(
  'while all workers are gone runs are taken and wait; what the workers held is told to be lost',
  async () => {
    const downMs = scaled(2_000, 60_000)
    const deadlineMs = downMs + 40_000
    const long = 'lorem?tokens=500&gap_ms=100'
    const short = 'lorem?tokens=5&gap_ms=10'
    const held = readMany(fleet, { name: 'held', streams: 20, model: long, deadlineMs })
    await sleep(1_000)

    await Promise.all(fleet.workers.splice(0).map((worker) => worker.kill()))
    const waiting = readMany(fleet, { name: 'waiting', streams: 30, model: short, deadlineMs })
    await sleep(downMs)
    await fleet.addWorker()
    await fleet.addWorker()

    const served = await judge(fleet, await waiting, { model: short })
    expect({ verdict: served.verdict, completed: served.completed }).toEqual({
      verdict: clean,
      completed: 30,
    })
    const lost = await judge(fleet, await held, { model: long })
    expect({ verdict: lost.verdict, failed: lost.failed }).toEqual({
      verdict: clean,
      failed: { worker_lost: 20 },
    })
    expect(lost.slowestMs).toBeLessThan(1_000 + downMs + 30_000)
  },
  scaled(60_000, 150_000),
)

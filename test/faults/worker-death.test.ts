import { setTimeout as sleep } from 'node:timers/promises'
import { bullPrefix } from '#libs/redis'
import { Worker } from 'bullmq'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { providerName, startFleet, type Fleet } from './fleet.ts'
import { createRandom } from './random.ts'
import { readMany } from './read-many.ts'
import { scaled, seed } from './scale.ts'
import { clean, judge } from './verdict.ts'

/** A worker is taken for dead after 12 s of silence, and a sweep comes every 3 s; within this all must be told. */
const deadlineMs = 30_000
const timeoutMs = scaled(120_000, 240_000)

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ apis: 2, workers: 3 })
})
afterAll(() => fleet.close())
afterEach(async () => {
  for (const worker of fleet.workers.splice(0)) await worker.kill()
})

async function reviveTo(count: number): Promise<void> {
  while (fleet.workers.length < count) await fleet.addWorker()
}

test(
  'workers killed one after the other cost their streams an answer, and nobody a second call',
  async () => {
    const random = createRandom(seed)
    const streams = 200
    const kills = scaled(2, 20)
    const model = `lorem?tokens=${scaled(40, 200)}&gap_ms=150`
    const reading = readMany(fleet, {
      name: 'killed',
      streams,
      model,
      deadlineMs: deadlineMs * 2,
      rampMs: kills * 2_000,
    })

    for (let kill = 0; kill < kills; kill += 1) {
      await sleep(2_000)
      const victim = random.pick(fleet.workers)
      fleet.workers.splice(fleet.workers.indexOf(victim), 1)
      await victim.kill()
      await fleet.addWorker()
    }
    const results = await reading

    const { verdict, completed, failed } = await judge(fleet, results, { model })
    expect(verdict).toEqual(clean)
    const { worker_lost: lost = 0, upstream_outcome_unknown: unknown = 0 } = failed
    expect(completed + lost + unknown).toBe(streams)
    expect(lost).toBeGreaterThan(0)
    const ownMs = scaled(40, 200) * 150
    for (const { tookMs } of results) expect(tookMs).toBeLessThan(ownMs + deadlineMs)
  },
  timeoutMs,
)

test(
  'a run whose worker died before the call is called once, by another worker',
  async () => {
    const model = 'lorem?tokens=3&gap_ms=1'
    for (const worker of fleet.workers.splice(0)) await worker.kill()
    const reading = readMany(fleet, { name: 'unclaimed', streams: 1, model, deadlineMs: 45_000 })
    await takeJobAndDie(fleet)
    await fleet.addWorker()

    const { verdict, completed } = await judge(fleet, await reading, { model })
    expect(verdict).toEqual(clean)
    expect(completed).toBe(1)
  },
  timeoutMs,
)

/** Has a job become active under a lock that nobody renews, and claims no run. */
async function takeJobAndDie({ redis }: Fleet): Promise<void> {
  const connection = { host: '127.0.0.1', port: redis.port }
  const worker = new Worker(providerName, null, { connection, prefix: bullPrefix, lockDuration: 2_000 })
  let job
  while (job === undefined) job = await worker.getNextJob('a worker about to die')
  await worker.close()
}

test(
  'a worker that slept past its lease writes nothing more, and leaves its call',
  async () => {
    await reviveTo(1)
    const model = 'lorem?tokens=1000&gap_ms=100'
    const [sleeper] = fleet.workers
    const started = Promise.withResolvers<void>()
    const reading = readMany(fleet, {
      name: 'zombie',
      streams: 1,
      model,
      deadlineMs: 40_000,
      onFrame: (seq) => seq > 3 && started.resolve(),
    })
    await started.promise
    sleeper?.signal('SIGSTOP')
    await fleet.addWorker()
    const results = await reading
    sleeper?.signal('SIGCONT')
    await sleep(2_000)

    const { entries } = await fleet.journal(1)
    expect(entries.at(-1)).toMatchObject({ closedBy: 'client' })
    const { verdict, failed } = await judge(fleet, results, { model })
    expect(verdict).toEqual(clean)
    expect(failed).toEqual({ worker_lost: 1 })
  },
  timeoutMs,
)

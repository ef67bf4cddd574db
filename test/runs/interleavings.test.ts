import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectRedis, keys } from '#libs/redis'
import { createRedisRunStore } from '#libs/runs'
import { createRedisStreamLog } from '#libs/streams'
import { scaled, seed } from '../faults/scale.ts'
import { startTestRedis, type TestRedis } from '../support/redis.ts'
import { anyCourse, play, type Kernel } from './play.ts'
import { isOver } from './run-model.ts'

const cases = scaled(500, 10_000)
/** So many go on at a time, so that their scripts travel together. */
const lines = 20

let server: TestRedis
let kernel: Kernel

beforeAll(async () => {
  server = await startTestRedis()
  const redis = await connectRedis(server.url, 'worker')
  kernel = {
    redis,
    store: createRedisRunStore(redis, { retainMs: 60_000 }),
    log: createRedisStreamLog(redis),
  }
  // Workers have been heard without a pause, so that the silence of one tells of its death.
  await redis.hset(keys.alive, 'since', 1)
})

afterAll(async () => {
  kernel.redis.disconnect()
  await server.close()
})

/** The log as Redis has it: who wrote each frame, and how many ends there are. */
async function readLog(rid: string): Promise<{ numbers: number[]; mixed: string[]; ends: number }> {
  const numbers: number[] = []
  const mixed: string[] = []
  let ends = 0
  for (const [id, [, count, , meta = '', , payload = '']] of await kernel.redis.xrange(
    keys.log(rid),
    '-',
    '+',
  )) {
    const [epoch, seq] = id.split('-').map(Number)
    for (let at = Number(count) - 1; at >= 0; at -= 1) numbers.push((seq ?? 0) - at)
    if (Number(count) > 0 && payload.split('\n').some((frame) => frame !== String(epoch))) mixed.push(id)
    if (ends > 0) mixed.push(`${id} after the end`)
    if (meta.startsWith('e')) ends += 1
  }
  return { numbers, mixed, ends }
}

/** Those waiting runs whose turn comes in the order of their lane. */
async function countOrdered(provider: string): Promise<number> {
  const rids = await kernel.redis.zrange(keys.waiting(provider), '0', '-1')
  const tags = await Promise.all(rids.map((rid) => kernel.redis.hget(keys.run(rid), 'tag')))
  return tags.filter((tag) => tag !== null).length
}

test(
  `${cases} random courses of claims, appends, deaths, losses and repeats leave every run whole`,
  async () => {
    let played = 0
    const reached = new Map<string, number>()
    const property = fc.asyncProperty(anyCourse, async (course) => {
      const { model, spec, calls, retries, end } = await play(kernel, course)
      const { rid, tenant } = spec
      const [log, record, waiting, elsewhere, running, outbox, limited] = await Promise.all([
        readLog(rid),
        kernel.redis.hmget(keys.run(rid), 'state', 'end'),
        kernel.redis.zscore(keys.waiting(model.provider), rid),
        kernel.redis.zscore(keys.waiting(model.provider === 'p' ? 'q' : 'p'), rid),
        kernel.redis.zscore(keys.running, rid),
        kernel.redis.zscore(keys.outbox, rid),
        kernel.redis.zscore(keys.runningOf(model.provider, tenant), rid),
      ])

      expect(record[0] ?? 'missing').toBe(model.state)
      expect(log.numbers).toEqual(log.numbers.map((_, index) => index))
      expect(log.mixed).toEqual([])
      expect(new Set(calls).size).toBe(calls.length)
      expect(calls.length).toBeLessThanOrEqual(1 + retries)
      if (model.state !== 'missing') {
        expect(log.ends).toBe(isOver(model.state) ? 1 : 0)
        expect(record[1]).toBe(isOver(model.state) ? end : null)
        expect(elsewhere).toBeNull()
        expect([waiting, running, outbox].map((score) => score !== null)).toEqual([
          model.state === 'accepted',
          model.state === 'dispatched' || model.state === 'streaming',
          model.state === 'ended',
        ])
        expect(limited !== null).toBe(running !== null)
      }
      played += 1
      reached.set(model.state, (reached.get(model.state) ?? 0) + 1)
    })
    const startedMs = performance.now()

    await Promise.all(
      Array.from({ length: lines }, (_, line) =>
        fc.assert(property, { numRuns: cases / lines, seed: seed * 1_000 + line }),
      ),
    )

    const seconds = (performance.now() - startedMs) / 1000
    const ends = JSON.stringify(Object.fromEntries(reached))
    process.stdout.write(`${played} courses in ${seconds.toFixed(1)} s, which ended in ${ends}\n`)
    expect(played).toBe(cases)
    for (const provider of ['p', 'q']) {
      expect(await kernel.store.census(provider, ['acme'])).toEqual([await countOrdered(provider)])
    }
  },
  scaled(20_000, 120_000),
)

import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectRedis, type Redis } from '#libs/redis'
import { createRedisRunStore, type RunEnd } from '#libs/runs'
import { createHeldRuns } from '../../../apps/worker/held-runs.ts'
import { startTestRedis, type TestRedis } from '../../support/redis.ts'
import { makeRunSpec } from '../../support/runs.ts'

let server: TestRedis
let redis: Redis

beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
})

afterAll(async () => {
  redis.disconnect()
  await server.close()
})

test('a worker that missed the message of a cancel hears of it with its next sign of life', async () => {
  const store = createRedisRunStore(redis, { retainMs: 1_000 })
  const held = createHeldRuns(store, (error) => expect.unreachable(String(error)))
  const [cancelled, other] = [makeRunSpec(), makeRunSpec()]
  for (const spec of [cancelled, other]) {
    await store.accept({ spec, body: '{}', homeChannel: '', bufferSize: 10 })
    await store.claim(spec.rid, spec.provider, spec.rid)
  }
  const holds = [held.hold(cancelled.rid), held.hold(other.rid)] as const
  const end: RunEnd = {
    outcome: 'cancelled',
    attempts: [],
    frames: 0,
    startedAtMs: null,
    firstFrameAtMs: null,
    endedAtMs: 1,
  }
  expect(await store.cancel(cancelled, end, [])).toBe('requested')
  await once(holds[0].signal, 'abort')
  expect(holds.map(({ stopped }) => stopped)).toEqual(['cancelled', undefined])
  held.close()
})

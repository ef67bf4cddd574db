import { afterAll, beforeAll, expect, test } from 'vitest'
import { createBullmqQueue } from '#libs/jobs'
import { connectRedis, type Redis } from '#libs/redis'
import { createRedisRunStore } from '#libs/runs'
import { eventually, useGateway } from '../../support/gateway.ts'
import { callApi } from '../../support/http.ts'

const gateway = useGateway({
  config: {
    providers: { a: {}, b: {} },
    models: [
      {
        name: 'm',
        targets: [
          { provider: 'a', model: 'lorem?fail=500' },
          { provider: 'b', model: 'lorem?tokens=3', order: 2 },
        ],
      },
    ],
  },
})
let redis: Redis
beforeAll(async () => {
  redis = await connectRedis(gateway().redis.url, 'worker')
})
afterAll(() => redis.disconnect())

/** Does what a worker does that dies right after it has given a run to another provider. */
async function moveAndDie(rid: string): Promise<void> {
  const store = createRedisRunStore(redis, { retainMs: 60_000 })
  const claim = await store.claim(rid, 'a', 'dies')
  if (claim.status !== 'run') throw new Error(`expected the run, not ${claim.status}`)
  const spec = { ...claim.spec, provider: 'b', target: 'lorem?tokens=3' }
  const { epoch, claimedAtMs } = claim
  const progress = { attempts: [], left: ['a/lorem?fail=500'], limitedUntilMs: {}, startedAtMs: claimedAtMs }
  expect(await store.requeue({ rid, epoch, spec, progress, delayMs: 0 })).toBe('requeued')
}

test('a run whose worker died on its way to another provider gets there, by its old job or by the sweeper', async () => {
  await gateway().workers[0]?.stop('SIGKILL')
  const body = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] }
  const submit = async (): Promise<string> => {
    const url = `${gateway().url}/v1/chat/completions`
    const { json } = await callApi(url, { body, headers: { prefer: 'respond-async' } })
    await moveAndDie(String(json.id))
    return String(json.id)
  }
  const [withJob, withoutJob] = [await submit(), await submit()]
  await redis.del(`mr:q:a:${withoutJob}`)
  await redis.lrem('mr:q:a:wait', 0, withoutJob)
  await redis.zrem('mr:q:a:prioritized', withoutJob)

  await gateway().workers[0]?.restart()

  const statusOf = async (id: string) =>
    (await callApi(`${gateway().url}/v1/jobs/${id}`)).json.status as string
  await eventually('the old job leads there', async () => (await statusOf(withJob)) === 'completed', 5_000)
  expect(await statusOf(withoutJob)).toBe('queued')
  await eventually('the sweeper helps', async () => (await statusOf(withoutJob)) === 'completed', 20_000)
  expect(gateway().simulator.journal().totals.calls).toBe(2)
  const queue = createBullmqQueue('a', redis)
  expect(await queue.missing([withJob, withoutJob])).toHaveLength(2)
  await queue.close()
}, 40_000)

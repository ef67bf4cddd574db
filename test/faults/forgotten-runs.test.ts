import { setTimeout as sleep } from 'node:timers/promises'
import { bullPrefix } from '#libs/redis'
import { Worker } from 'bullmq'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { providerName, startFleet, type Fleet } from './fleet.ts'
import { readStream, type StreamResult } from './stream-client.ts'
import { answerTo } from './verdict.ts'

const model = 'lorem?tokens=3&gap_ms=1'

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({ apis: 1, workers: 1 })
})
afterAll(() => fleet.close())

/** Reads a stream whose job meets with `accident` before a worker can see it. */
async function readPast(prompt: string, accident: () => Promise<void>): Promise<StreamResult> {
  for (const worker of fleet.workers) await worker.kill()
  const reading = readStream({
    urls: fleet.urls,
    model: `${providerName}/${model}`,
    prompt,
    deadlineMs: 30_000,
  })
  while ((await fleet.client.zcard(`mr:waiting:${providerName}`)) === 0) await sleep(20)
  await accident()
  await fleet.addWorker()
  return reading
}

test('an accepted run whose job was never added is carried out within 15 seconds', async () => {
  const result = await readPast('forgotten', async () => {
    // As if the API had died between the record and the job.
    const names = await fleet.client.keys(`${bullPrefix}:${providerName}:*`)
    await fleet.client.del(...names)
  })

  expect(result).toMatchObject({ outcome: 'completed', text: answerTo('forgotten', model) })
  expect(result.tookMs).toBeLessThan(15_000)
}, 60_000)

test('an accepted run whose job has failed gets another', async () => {
  const result = await readPast('failed', async () => {
    const connection = { host: '127.0.0.1', port: fleet.redis.port }
    const worker = new Worker(providerName, null, { connection, prefix: bullPrefix })
    const job = await worker.getNextJob('a worker without luck')
    await job?.moveToFailed(new Error('as an out-of-date release would'), 'a worker without luck', false)
    await worker.close()
  })

  expect(result).toMatchObject({ outcome: 'completed', text: answerTo('failed', model) })
  expect(result.tookMs).toBeLessThan(15_000)
}, 60_000)

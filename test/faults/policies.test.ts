import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { S3Fault } from '../support/s3.ts'
import { eventually } from '../support/gateway.ts'
import { providerName, startFleet, type Fleet } from './fleet.ts'
import { readStream } from './stream-client.ts'
import { answerTo, readArchive } from './verdict.ts'

const stallsOnce = 'lorem?tokens=5&gap_ms=5&fail=stall&times=1'
const answers = 'lorem?tokens=5&gap_ms=5'

let fleet: Fleet
beforeAll(async () => {
  const toModel = (name: string, model: string, policy: object) => ({
    name,
    targets: [{ provider: providerName, model }],
    ...policy,
  })
  fleet = await startFleet({
    apis: 1,
    workers: 1,
    models: [
      toModel('again', stallsOnce, { on_worker_loss: 'retry_once' }),
      toModel('kept', answers, { durability: 's3' }),
    ],
  })
})
afterAll(() => fleet.close())

test('a model that may be paid twice is called once more when its worker is lost before the first frame', async () => {
  const prompt = 'Once more.'
  const reading = readStream({ urls: fleet.urls, model: 'again', prompt, deadlineMs: 45_000 })
  await eventually('the provider is called', async () => (await fleet.journal()).totals.calls === 1)

  await fleet.workers[0]?.kill()
  await fleet.addWorker()

  expect(await reading).toMatchObject({ outcome: 'completed', text: answerTo(prompt, answers) })
  expect((await fleet.journal()).totals.calls).toBe(2)
}, 60_000)

test('a model that is to be kept ends only when the archive has its answer', async () => {
  const away: S3Fault[] = Array.from({ length: 1_000 }, () => ({ status: 503, code: 'SlowDown' }))
  fleet.s3.faults.push(...away)
  let isOver = false
  const prompt = 'Keep this.'
  const reading = readStream({ urls: fleet.urls, model: 'kept', prompt, deadlineMs: 20_000 }).finally(
    () => (isOver = true),
  )
  await eventually('the archive is asked', () => fleet.s3.faults.length < away.length)
  await sleep(500)
  expect(isOver).toBe(false)

  fleet.s3.faults.length = 0
  const result = await reading

  expect(result).toMatchObject({ outcome: 'completed', text: answerTo(prompt, answers) })
  expect(readArchive(fleet).has(String(result.rid))).toBe(true)
}, 30_000)

import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/gateway.ts'
import type { S3Fault } from '../support/s3.ts'
import { startFleet, type Fleet } from './fleet.ts'
import { readMany } from './read-many.ts'
import { answerTo, clean, judge, outboxEmpty, readArchive } from './verdict.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await startFleet({
    apis: 1,
    workers: 2,
    retainMs: 1_000,
    server: { outbox_limit_ms: 6_000 },
  })
})
afterAll(() => fleet.close())

async function readAgain(rid: string | undefined): Promise<string | undefined> {
  const response = await fetch(`${fleet.urls()[0]}/v1/chat/completions/${rid}`)
  const answer = (await response.json()) as { choices?: { message: { content: string } }[] }
  return answer.choices?.[0]?.message.content
}

test('while the object store is away the outbox grows, and answers can be read; then it drains', async () => {
  const model = 'lorem?tokens=5&gap_ms=5'
  const away: S3Fault[] = Array.from({ length: 10_000 }, () => ({ status: 503, code: 'SlowDown' }))
  fleet.s3.faults.push(...away)

  const results = await readMany(fleet, { name: 'away', streams: 50, model, deadlineMs: 10_000 })
  await sleep(2_000)
  expect(await fleet.client.zcard('mr:outbox')).toBe(50)
  for (const { rid, prompt } of results) expect(await readAgain(rid)).toBe(answerTo(prompt, model))

  fleet.s3.faults.length = 0
  const { verdict, completed } = await judge(fleet, results, { model, archivedWithinMs: 15_000 })
  expect({ verdict, completed }).toEqual({ verdict: clean, completed: 50 })
  await sleep(1_500)
  for (const { rid, prompt } of results) expect(await readAgain(rid)).toBe(answerTo(prompt, model))
}, 40_000)

test('objects whose acknowledgement was lost are not written twice', async () => {
  const model = 'lorem?tokens=5&gap_ms=5'
  fleet.s3.faults.push('lost-answer', 'reset')

  const results = await readMany(fleet, { name: 'unacknowledged', streams: 5, model, deadlineMs: 10_000 })
  await outboxEmpty(fleet, 15_000)

  const { verdict } = await judge(fleet, results, { model })
  expect(verdict).toEqual(clean)
  const holders = results.map(({ rid }) =>
    [...fleet.s3.objects.values()].filter((body) => body.includes(`"${rid}"`)),
  )
  expect(new Set(holders.map(({ length }) => length))).toEqual(new Set([1]))
  expect(readArchive(fleet).size).toBeGreaterThanOrEqual(5)
}, 30_000)

test('when nothing could be archived for too long, new runs are refused until it can be again', async () => {
  const [url] = fleet.urls()
  const ask = (): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'up/lorem?tokens=1', messages: [{ role: 'user', content: 'Hello' }] }),
    })
  const archive = async (): Promise<unknown> => {
    const response = await fetch(`${url}/readyz`)
    expect(response.status).toBe(200)
    return ((await response.json()) as { archive: unknown }).archive
  }
  fleet.s3.faults.push(...Array.from({ length: 10_000 }, (): S3Fault => ({ status: 503, code: 'SlowDown' })))
  expect((await ask()).status).toBe(200)

  await eventually('new runs are refused', async () => (await archive()) === 'refusing', 15_000)
  const refusal = await ask()
  expect(refusal.status).toBe(503)
  expect(refusal.headers.get('retry-after')).toBe('30')
  expect(await refusal.json()).toMatchObject({ error: { code: 'overloaded' } })
  expect(await (await fetch(`${url}/metrics`)).text()).toContain(
    'millrace_refusals_total{reason="archive"} 1',
  )

  fleet.s3.faults.length = 0
  await eventually('new runs are taken', async () => (await archive()) === 'ok', 15_000)
  expect((await ask()).status).toBe(200)
}, 40_000)

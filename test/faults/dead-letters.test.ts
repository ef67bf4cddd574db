import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { bullPrefix, connectRedis, type Redis } from '#libs/redis'
import { createRedisRunStore, type RunSpec, type RunStore } from '#libs/runs'
import { Queue } from 'bullmq'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/gateway.ts'
import { makeRunSpec } from '../support/runs.ts'
import { providerName, startFleet, type Fleet } from './fleet.ts'
import { readMany } from './read-many.ts'
import { clean, judge } from './verdict.ts'

let fleet: Fleet
let redis: Redis
let store: RunStore
let queue: Queue

beforeAll(async () => {
  fleet = await startFleet({ apis: 1, workers: 2, concurrency: 50 })
  const { port } = fleet.redis
  redis = await connectRedis(`redis://127.0.0.1:${port}`, 'worker')
  store = createRedisRunStore(redis, { retainMs: 60_000 })
  queue = new Queue(providerName, { connection: { host: '127.0.0.1', port }, prefix: bullPrefix })
})
afterAll(async () => {
  await queue.close()
  redis.disconnect()
  await fleet.close()
})

interface Listed {
  rid: string
  state: string
  provider: string
  reason: string | null
}

function millrace(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = join(import.meta.dirname, '../../apps/cli/main.ts')
  const config = ['--config', join(fleet.directory, 'millrace.yaml')]
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'runs', ...args, ...config], { env: {} }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr })
    })
  })
}

async function list(...args: string[]): Promise<Listed[]> {
  return JSON.parse((await millrace('list', '--json', ...args)).stdout) as Listed[]
}

/** Accepts and enqueues what no API would. */
async function plant(change: Partial<RunSpec>): Promise<RunSpec> {
  const spec = { ...makeRunSpec(), tenant: 'default', provider: providerName, stream: true, ...change }
  await store.accept({ spec, body: '{}', homeChannel: '', bufferSize: 20_000 })
  await queue.add('run', { version: 1, rid: spec.rid }, { jobId: spec.rid })
  return spec
}

test('poison among 200 runs costs none of them anything, and ends where an operator finds it', async () => {
  const model = 'lorem?tokens=5&gap_ms=10'
  const foreign = await plant({ dialect: 'klingon' })
  const unreadable = makeRunSpec()
  await store.accept({
    spec: { ...unreadable, provider: providerName },
    body: '',
    homeChannel: '',
    bufferSize: 9_999,
  })
  await redis.hset(`mr:run:${unreadable.rid}`, 'spec', '{ this is no')
  await queue.add('run', { version: 1, rid: unreadable.rid }, { jobId: unreadable.rid })
  await queue.add('run', { version: 99, task: 'of a newer release' }, { jobId: 'newer' })

  const results = await readMany(fleet, { name: 'healthy', streams: 200, model, deadlineMs: 20_000 })
  await eventually('the poison is buried', async () => (await redis.zcard('mr:dead')) === 2)

  const { verdict, completed } = await judge(fleet, results, { model })
  expect({ verdict, completed }).toEqual({ verdict: clean, completed: 200 })
  expect((await list('--state', 'dead')).map(({ rid }) => rid).toSorted()).toEqual(
    [foreign.rid, unreadable.rid, 'newer'].toSorted(),
  )
  const { stdout } = await millrace('show', foreign.rid, '--json')
  expect(JSON.parse(stdout)).toMatchObject({ end: { outcome: 'failed', error: { code: 'internal_error' } } })
  expect(await redis.zcard('mr:running')).toBe(0)
  expect(await millrace('retry', foreign.rid)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('klingon') as string,
  })
}, 40_000)

test('a run that failed can be sent again by an operator, as a run of its own', async () => {
  const model = 'lorem?tokens=5&gap_ms=5&fail=reset&times=1'
  const [failed] = await readMany(fleet, { name: 'unlucky', streams: 1, model, deadlineMs: 10_000 })
  const rid = failed?.rid ?? ''
  expect(failed).toMatchObject({ outcome: 'failed', code: 'upstream_outcome_unknown' })

  const retried = await millrace('retry', rid, '--json')
  const { as } = JSON.parse(retried.stdout) as { as: string }

  const isCompleted = async (): Promise<boolean> => {
    const { stdout } = await millrace('show', as, '--json')
    return (JSON.parse(stdout) as { end: { outcome: string } | null }).end?.outcome === 'completed'
  }
  await eventually('the new run completes', isCompleted)
  expect((await list('--state', 'ended', '--provider', providerName)).map((run) => run.rid)).toContain(as)
  expect(await millrace('retry', as)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('completed') as string,
  })
}, 40_000)

test('an operator sees what waits and what runs, and can cancel both', async () => {
  const stalls = 'lorem?tokens=5&ttft_ms=60000'
  const reading = readMany(fleet, { name: 'stuck', streams: 51, model: stalls, deadlineMs: 20_000 })
  await eventually('50 run', async () => (await redis.zcard('mr:running')) === 50)
  await eventually('one waits', async () => (await redis.zcard(`mr:waiting:${providerName}`)) === 1)

  const [waiting] = await list('--state', 'waiting')
  const running = await list('--state', 'running')
  expect(running).toHaveLength(50)
  const cancelled = await millrace('cancel', waiting?.rid ?? '')
  expect(cancelled).toMatchObject({ code: 0, stdout: `${waiting?.rid} is cancelled.\n` })
  expect((await millrace('cancel', running[0]?.rid ?? '')).stdout).toContain('was told to stop')
  expect(await millrace('cancel', waiting?.rid ?? '')).toMatchObject({ code: 1 })
  for (const { rid } of running) await redis.publish('mr:ch:cancel', rid)
  for (const { rid } of running) await redis.hset(`mr:run:${rid}`, 'cancel', 1)

  const results = await reading
  expect(results.map(({ outcome, code }) => [outcome, code])).toEqual(
    Array.from({ length: 51 }, () => ['failed', 'cancelled']),
  )
}, 40_000)

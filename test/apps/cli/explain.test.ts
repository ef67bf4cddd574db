import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { connectRedis, keys } from '#libs/redis'
import { createHealth, defaultBreaker } from '#libs/routing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeDirectory } from '../../config/support.ts'
import { startTestRedis, type TestRedis } from '../../support/redis.ts'

const root = join(import.meta.dirname, '../../..')
const main = join(root, 'apps/cli/main.ts')

let redis: TestRedis
beforeAll(async () => {
  redis = await startTestRedis()
})
afterAll(() => redis.close())

const file = `
providers:
  up: { type: openai-compatible, base_url: "http://127.0.0.1:9/v1", keys: [ { name: one, value: key-1 } ] }
model_defaults: { fallbacks: { default: [ cheap ] }, deadline_ms: 9000 }
models:
  - name: smart
    aliases: [ clever ]
    routing: least-busy
    targets:
      - { provider: up, model: large, limits: { requests_per_minute: 9 } }
      - { provider: sim, model: lorem }
  - { name: cheap, routing: lowest-cost, targets: [ { provider: sim, model: lorem, prices: { input_per_million: 1, output_per_million: 2 } }, { provider: up, model: small } ] }
  - { name: chat, routing: cache-aware, cache_affinity: { wait_ms: 200 }, targets: [ { provider: up, model: large } ] }
  - { name: "gpt-*", targets: [ { provider: up, model: "gpt-*" } ] }
`

/** Calls nobody but the Redis that it is given. */
function explain(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const cwd = makeDirectory(file)
  const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE: join(root, '.cache/compile') }
  return new Promise((resolve) => {
    execFile(process.execPath, [main, 'explain', ...args], { cwd, env }, (error, out, err) => {
      resolve({ code: Number(error?.code ?? 0), out, err })
    })
  })
}

test('a model is explained from its configuration where there is no Redis', async () => {
  const { code, out } = await explain('cheap')

  expect(code).toBe(0)
  expect(out).toContain('cheap chooses among its targets by lowest-cost.\nHow the targets fare is not known')
  expect(out).toContain('1. sim/lorem: a million tokens in and out cost $3')
  expect(out).toContain('2. up/small: its price is unknown')
  expect(out).toContain('Fallbacks: default: cheap\nDeadline: 9000 ms')
})

test('what a prompt cache must save is told, and what providers keep', async () => {
  const { out } = await explain('chat')
  expect(out).toContain('waited for, up to 200 ms, if it saves $0.001, or 4000 tokens without a price')
  expect(out).toContain('its prompt cache: from 1024 tokens on, for 300 s')
})

test('the names that lead to a model are told', async () => {
  const wildcard = JSON.parse((await explain('gpt-9', '--json')).out) as object
  expect(wildcard).toMatchObject({ servedBy: 'gpt-*', matched: 'wildcard', targets: [{ model: 'gpt-9' }] })
  expect((await explain('up/other')).out).toContain('is read as provider/model')
})

test('how the targets fare is read from Redis, and who is ill comes last', async () => {
  const connection = await connectRedis(redis.url, 'worker')
  const health = await createHealth({
    redis: connection,
    settingsOf: () => ({ ...defaultBreaker, minCalls: 1, openMs: 300_000, maxOpenMs: 300_000 }),
    keysOf: () => 1,
    onError: () => undefined,
  })
  const target = { provider: 'up', model: 'large' }
  const call = await health.admit(target, null)
  if (call.status !== 'open') call.report({ error: 'upstream_error' })
  await connection.hset(keys.resting, 'up one', `${Date.now() + 300_000} limited`)
  await health.close()
  connection.disconnect()

  const { out } = await explain('clever', '--json', '--redis-url', redis.url)
  expect(JSON.parse(out)).toMatchObject({
    servedBy: 'smart',
    matched: 'alias',
    strategy: 'least-busy',
    blindness: null,
    targets: [
      { provider: 'sim', circuit: 'closed', reason: '0 of its calls run' },
      {
        provider: 'up',
        circuit: 'open',
        limits: { requestsPerMinute: 9 },
        keys: [{ name: 'one', resting: 'limited' }],
        reason: expect.stringMatching(
          /^its circuit is open: it failed too often, and is tried again in \d+ s$/,
        ),
      },
    ],
  })
})

test('a name that nothing serves is answered with the nearest there is, and the exit code 1', async () => {
  const { code, err } = await explain('smrt')
  expect({ code, err }).toEqual({ code: 1, err: 'The model "smrt" does not exist. Did you mean "smart"?\n' })

  const json = await explain('smrt', '--json')
  expect(json.code).toBe(1)
  expect(JSON.parse(json.out)).toMatchObject({ error: { code: 'model_not_found' } })
})

test('a wrong call tells how it is called', async () => {
  expect(await explain()).toMatchObject({ code: 2, err: expect.stringContaining('Usage: millrace explain') })
})

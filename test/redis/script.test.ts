import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectRedis, defineBatchScript, type Redis, type Script } from '#libs/redis'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

let server: TestRedis
let redis: Redis
let directory: string
let script: Script

beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
  directory = await mkdtemp(join(tmpdir(), 'millrace-script-'))
  const path = join(directory, 'keep-1.lua')
  await writeFile(
    path,
    `if ARGV[1] == 'bad' then return redis.error_reply('OOM no room') end
redis.call('SET', KEYS[1], ARGV[1])
return KEYS[1]`,
  )
  script = defineBatchScript(redis, pathToFileURL(path))
})

afterAll(async () => {
  redis.disconnect()
  await server.close()
  await rm(directory, { recursive: true })
})

test('calls of one turn get each its own reply', async () => {
  expect(await Promise.all([script(['a'], ['1']), script(['b'], ['2'])])).toEqual(['a', 'b'])
})

test('an error that one call returns is its own, and the others keep their replies', async () => {
  const settled = await Promise.allSettled([
    script(['c'], ['3']),
    script(['d'], ['bad']),
    script(['e'], ['5']),
  ])
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(settled[1]).toMatchObject({ reason: { message: expect.stringContaining('OOM') as string } })
})

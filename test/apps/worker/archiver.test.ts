import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectRedis, type Redis } from '#libs/redis'
import { createArchive, createRedisRunStore, createRunMedia, type RunEnd, type RunSpec } from '#libs/runs'
import { openObjectStore, type ObjectStore } from '#libs/storage'
import { createLogger } from '#libs/telemetry'
import type { WebhookEvent } from '#libs/webhooks'
import { createArchiver, type ArchiverOptions } from '../../../apps/worker/archiver.ts'
import { startTestRedis, type TestRedis } from '../../support/redis.ts'
import { makeRunSpec } from '../../support/runs.ts'

let server: TestRedis
let redis: Redis
let objects: ObjectStore
let directory: string

beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
  directory = await mkdtemp(join(tmpdir(), 'millrace-archiver-'))
  objects = await openObjectStore({ driver: 'directory', path: directory })
})

afterAll(async () => {
  redis.disconnect()
  await objects.close()
  await server.close()
  await rm(directory, { recursive: true })
})

function open(eraseFails = false, publish: ArchiverOptions['publish'] = async () => undefined) {
  const store = createRedisRunStore(redis, { retainMs: 60_000 })
  const archive = createArchive({ store: objects, exclusively: (_tenant, act) => act() })
  const erase = (): Promise<boolean> => Promise.reject(new Error('the store is away'))
  const logger = createLogger({ level: 'silent', name: 'test' })
  return {
    store,
    archive,
    archiver: createArchiver({
      archive: eraseFails ? { ...archive, erase } : archive,
      media: createRunMedia(objects),
      store,
      publish,
      logger,
    }),
  }
}

/** Accepts a run and ends it at once, so that it waits in the outbox. */
async function endedRun(fields: Partial<RunSpec> = {}): Promise<RunSpec> {
  const { store } = open()
  const spec = { ...makeRunSpec(), ...fields }
  await store.accept({ spec, body: '{}', homeChannel: '', bufferSize: 10 })
  const claim = await store.claim(spec.rid, spec.provider, 'a worker')
  if (claim.status !== 'run') throw new Error(`expected the run, not ${claim.status}`)
  const end: RunEnd = {
    outcome: 'completed',
    attempts: [],
    frames: 1,
    startedAtMs: 1,
    firstFrameAtMs: null,
    endedAtMs: 2,
  }
  const entry = { epoch: claim.epoch, seq: 0, count: 1, meta: '', payload: '{"answer":42}' }
  await store.end({ spec, epoch: claim.epoch, homeChannel: '', end, entry })
  return spec
}

test('a run that was deleted before it was archived leaves the outbox, and the archive gets nothing', async () => {
  const { rid, tenant } = await endedRun()
  const { store, archive, archiver } = open()
  expect(await store.delete(rid, tenant)).toBe('marked')
  await archiver.recover(await store.unarchived(-1, 10))
  expect(await store.outbox()).toMatchObject({ count: 0 })
  expect(await archive.read(rid, tenant)).toBeUndefined()
  expect(await store.inspect(rid)).toBeUndefined()
})

test('a run that is deleted while it is archived is nowhere to be read, and erased once the store is back', async () => {
  const { rid, tenant } = await endedRun()
  const broken = open(true)
  const { runs } = await broken.store.finished([rid])
  await broken.store.delete(rid, tenant)
  for (const run of runs) broken.archiver.offer(run)
  await broken.archiver.close()
  const { store, archive, archiver } = open()
  expect(await archive.read(rid, tenant)).toBeDefined()
  expect(await store.get(rid, tenant)).toBe('deleted')
  expect(await store.get(rid, 'another')).toBeUndefined()
  await archiver.recover(await store.unarchived(-1, 10))
  expect(await archive.read(rid, tenant)).toBeUndefined()
  expect(await store.get(rid, tenant)).toBeUndefined()
  expect(await store.outbox()).toMatchObject({ count: 0 })
})

test('a run that Redis has lost leaves the outbox', async () => {
  const { rid } = await endedRun()
  const { store, archiver } = open()
  await redis.del(`mr:run:${rid}`)
  await archiver.recover(await store.unarchived(-1, 10))
  expect(await store.outbox()).toMatchObject({ count: 0 })
})

test('a run stays in the outbox until webhooks know of its end, and then leaves it', async () => {
  const { rid, tenant } = await endedRun({ background: true })
  const { rid: waitedFor } = await endedRun()
  const away = open(false, () => Promise.reject(new Error('Redis is away')))
  await away.archiver.recover(await away.store.unarchived(-1, 10))
  expect(await away.store.unarchived(-1, 10)).toEqual([rid])
  expect(await away.archive.read(rid, tenant)).toBeDefined()
  expect(await away.store.inspect(waitedFor)).toMatchObject({ state: 'persisted' })

  const events: WebhookEvent[] = []
  const { store, archiver } = open(false, async (told) => void events.push(...told))
  await archiver.recover(await store.unarchived(-1, 10))
  expect(events).toEqual([{ tenant, type: 'job.completed', data: { id: rid }, atMs: 2 }])
  expect(await store.outbox()).toMatchObject({ count: 0 })
})

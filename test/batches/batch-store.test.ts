import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import {
  createLineSet,
  createRedisBatchStore,
  initialState,
  type BatchEntry,
  type BatchSpec,
  type BatchState,
  type BatchStore,
} from '#libs/batches'
import { createResourceId } from '#libs/core'
import { connectRedis, keys, type Redis } from '#libs/redis'
import { openDirectoryStore, type ObjectStore } from '#libs/storage'
import { startTestRedis, type TestRedis } from '../support/redis.ts'

let server: TestRedis
let redis: Redis
let directory: string
let objects: ObjectStore
let store: BatchStore
beforeAll(async () => {
  server = await startTestRedis()
  redis = await connectRedis(server.url, 'worker')
  return async () => {
    redis.disconnect()
    await server.close()
  }
})
beforeEach(async () => {
  await server.flush()
  directory = await mkdtemp(join(tmpdir(), 'millrace-batches-'))
  objects = await openDirectoryStore(directory)
  store = createRedisBatchStore(objects, redis)
  return () => rm(directory, { recursive: true })
})

function makeSpec(): BatchSpec {
  return {
    id: createResourceId('batch_'),
    tenant: 'acme',
    format: 'openai-batches',
    endpoint: '/v1/chat/completions',
    input: { id: createResourceId('file-'), bytes: 1 },
    completionWindow: '24h',
    metadata: null,
    headers: {},
    createdAtMs: Date.now(),
    expiresAtMs: Date.now() + 86_400_000,
  }
}

function makeEntry(holder: string, state: BatchState, results: readonly string[] = []): BatchEntry {
  const outputBytes = Buffer.byteLength(results.join(''))
  return { holder, state, done: createLineSet().toJSON(), reservedTo: 7, outputBytes, errorBytes: 0 }
}

test('a batch has one holder until its lease ends', async () => {
  const spec = makeSpec()
  await store.create(spec, initialState())
  expect(await store.take('first', 5)).toEqual([{ tenant: 'acme', id: spec.id }])
  expect(await store.take('second', 5)).toEqual([])
  const state = { ...initialState(), total: 9 }
  expect(await store.hold(spec, 'first', state)).toEqual({ cancelAtMs: undefined })
  expect((await store.get('acme', spec.id))?.state.total).toBe(9)

  await redis.zadd(keys.openBatches, 1, `acme/${spec.id}`)
  expect(await store.take('second', 5)).toHaveLength(1)
  expect(await store.hold(spec, 'first', initialState())).toBe('lost')
  await store.release(spec, 'first')
  expect(await store.take('third', 5)).toEqual([])
  await store.release(spec, 'second')
  expect(await store.take('third', 5)).toHaveLength(1)
})

test('a holder hears that its batch is cancelled, and the first time counts', async () => {
  const spec = makeSpec()
  await store.create(spec, initialState())
  await store.take('first', 1)
  await store.cancel(spec)
  const told = await store.hold(spec, 'first', initialState())
  await store.cancel(spec)
  expect(await store.hold(spec, 'first', initialState())).toEqual(told)
  expect(told).toMatchObject({ cancelAtMs: expect.any(Number) })
})

test('the log takes each number once, and gives back what it holds', async () => {
  const spec = makeSpec()
  await store.create(spec, initialState())
  const first = makeEntry('first', initialState(), ['a\n', 'ö\n'])
  expect(await store.append(spec, { number: 1, entry: first }, ['a\n', 'ö\n'])).toBe('written')
  expect(await store.append(spec, { number: 1, entry: first }, ['a\n', 'ö\n'])).toBe('written')
  expect(await store.append(spec, { number: 1, entry: makeEntry('second', initialState()) }, [])).toBe(
    'taken',
  )
  const second = { ...makeEntry('second', initialState(), ['b\n']), errorBytes: 2 }
  await store.append(spec, { number: 2, entry: second }, ['b\n', 'e\n'])
  expect(await store.lastEntry(spec)).toEqual({ number: 2, entry: second })
  const read = async (which: 'output' | 'errors') => {
    const pieces: Buffer[] = []
    for await (const piece of store.readResults(spec, 2, which)) pieces.push(piece)
    return String(Buffer.concat(pieces))
  }
  expect([await read('output'), await read('errors')]).toEqual(['a\nö\nb\n', 'e\n'])
})

test('a batch that Redis has forgotten is found again, as far as its log tells', async () => {
  const spec = makeSpec()
  await store.create(spec, initialState())
  const state: BatchState = { ...initialState(), status: 'in_progress', total: 3 }
  await store.append(spec, { number: 1, entry: makeEntry('first', state) }, [])
  await store.cancel(spec)
  await server.flush()
  expect(await store.take('second', 5)).toEqual([])
  await store.reopen()
  expect(await store.take('second', 5)).toEqual([{ tenant: 'acme', id: spec.id }])
  expect(await store.get('acme', spec.id)).toMatchObject({ state, cancelAtMs: expect.any(Number) })
})

test('a batch that has ended is one record, also for a Redis that has forgotten it', async () => {
  const spec = makeSpec()
  await store.create(spec, initialState())
  await store.take('first', 1)
  await store.append(spec, { number: 1, entry: makeEntry('first', initialState()) }, [])
  await expect(store.close(spec, 'first', initialState())).rejects.toThrow(/has not ended/)
  const state: BatchState = { ...initialState(), status: 'completed', endedAtMs: 5 }
  await store.close(spec, 'first', state)
  await redis.zadd(keys.openBatches, 'XX', 0, `acme/${spec.id}`)
  expect(await store.take('second', 5)).toEqual([])
  expect(await objects.list('')).toEqual([`batches/acme/records/${spec.id}.json`])
  await server.flush()
  expect(await store.get('acme', spec.id)).toEqual({ spec, state, cancelAtMs: undefined })
  await store.delete(spec)
  expect(await objects.list('')).toEqual([])
  expect(await store.get('acme', spec.id)).toBeUndefined()
})

test("a tenant's batches are its own", async () => {
  const spec = makeSpec()
  await store.create(spec, initialState())
  expect(await store.get('other', spec.id)).toBeUndefined()
  expect((await store.list('other', { order: 'desc', limit: 5 })).items).toEqual([])
  expect((await store.list('acme', { order: 'desc', limit: 5 })).items).toHaveLength(1)
})

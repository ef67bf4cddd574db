import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ObjectStore } from '#libs/storage'
import { connectS3Store } from '#libs/storage'
import type { S3TestServer } from '../support/s3.ts'
import { startS3 } from '../support/s3.ts'
import { testObjectStore } from './object-store.ts'

testObjectStore('S3 store', async () => {
  const server = await startS3()
  return {
    store: await connectS3Store({ ...server.options, prefix: 'gateway/' }),
    release: () => server.close(),
  }
})

const body = Buffer.from('x'.repeat(300_000))
const slowDown = { status: 503, code: 'SlowDown' }

let server: S3TestServer
let store: ObjectStore
beforeEach(async () => {
  server = await startS3()
  store = await connectS3Store({ ...server.options, requestTimeoutMs: 300 })
})
afterEach(async () => {
  await store.close()
  await server.close()
})

test('a write carries the SHA-256 of its body and its precondition', async () => {
  await store.put('a', body, { onlyIfAbsent: true })
  expect(server.requests[0]!.headers).toMatchObject({
    'if-none-match': '*',
    'x-amz-checksum-sha256': createHash('sha256').update(body).digest('base64'),
  })
})

test('what lies outside of the prefix is not seen', async () => {
  const inner = await connectS3Store({ ...server.options, prefix: 'mine/' })
  await store.put('other', body)
  await inner.put('a', body)
  expect(await inner.list('')).toEqual(['a'])
  expect(await store.list('')).toEqual(['mine/a', 'other'])
  expect(await inner.get('other')).toBeUndefined()
  await inner.close()
})

test('a list goes on through all pages', async () => {
  server.pageSize = 2
  const keys = ['page/a', 'page/b', 'page/c', 'page/d', 'page/e']
  for (const key of keys) await store.put(key, body)
  expect(await store.list('page/')).toEqual(keys)
  expect(await store.list('page/', { startAfter: 'page/a', limit: 3 })).toEqual(keys.slice(1, 4))
})

test('a write gets through a store that asks to slow down', async () => {
  server.faults.push(slowDown, slowDown)
  expect(await store.put('a', body, { onlyIfAbsent: true })).toBe('stored')
  expect(server.requests).toHaveLength(3)
})

test('a write that races another is tried again', async () => {
  server.faults.push({ status: 409, code: 'ConditionalRequestConflict' })
  expect(await store.put('a', body, { onlyIfAbsent: true })).toBe('stored')
})

test('a write that is reset midway leaves one whole object', async () => {
  server.faults.push('reset')
  expect(await store.put('a', body, { onlyIfAbsent: true })).toBe('stored')
  expect((await store.get('a'))?.equals(body)).toBe(true)
})

test('a write whose answer was lost finds the object there', async () => {
  server.faults.push('lost-answer')
  expect(await store.put('a', body, { onlyIfAbsent: true })).toBe('exists')
  expect((await store.get('a'))?.equals(body)).toBe(true)
})

test('a silent store is given up after three tries', async () => {
  server.faults.push('silence', 'silence', 'silence')
  await expect(store.put('a', body)).rejects.toMatchObject({ name: 'StorageError', reason: 'TimeoutError' })
  expect(server.requests).toHaveLength(3)
})

test('a failure tells the bucket, the endpoint and what to do', async () => {
  server.faults.push({ status: 403, code: 'AccessDenied' })
  const error: unknown = await store.put('a', body).catch((thrown: unknown) => thrown)
  const { host } = new URL(server.options.endpoint)
  expect(error).toMatchObject({
    name: 'StorageError',
    reason: 'AccessDenied',
    message: `Could not put "a" in bucket "millrace-test" at ${host}: AccessDenied: Refused by the test server. Check the credentials, and that they may put, get, list and delete objects in this bucket.`,
  })
})

test('a failure tells no credentials', async () => {
  const credentials = { accessKeyId: 'AKIAUNKNOWN', secretAccessKey: 'very-secret' }
  const stranger = await connectS3Store({ ...server.options, credentials })
  const error: unknown = await stranger.get('a').catch((thrown: unknown) => thrown)
  await stranger.close()
  expect(error).toMatchObject({ name: 'StorageError' })
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/AKIAUNKNOWN|very-secret/)
})

test('a bucket that is not there is an error, not an absent object', async () => {
  const elsewhere = await connectS3Store({ ...server.options, bucket: 'no-such-bucket' })
  await expect(elsewhere.get('a')).rejects.toMatchObject({ reason: 'NoSuchBucket' })
  await elsewhere.close()
})

describe('an upload', () => {
  // Five megabytes may take a busy machine longer than the others are given.
  beforeEach(async () => {
    await store.close()
    store = await connectS3Store(server.options)
  })
  const elevenMegabytes = async function* (end: () => void = () => undefined) {
    yield Buffer.alloc(11_000_000)
    end()
  }

  test('that breaks off leaves no parts to pay for', async () => {
    const broken = elevenMegabytes(() => {
      throw new Error('the client left')
    })
    await expect(store.upload('a', broken)).rejects.toThrow('the client left')
    expect(server.requests.filter(({ path }) => path.includes('partNumber'))).toHaveLength(2)
    expect(server.uploads.size).toBe(0)
  })

  test('that the store refuses is told as its failure', async () => {
    server.faults.push({ status: 403, code: 'AccessDenied' })
    await expect(store.upload('a', elevenMegabytes())).rejects.toThrow(/Could not upload "a" .*AccessDenied/)
    expect(server.objects.size).toBe(0)
  })
})

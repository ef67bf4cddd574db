import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readObject, type ObjectStore } from '#libs/storage'

const bytes = (text: string) => Buffer.from(text)

async function* inPieces(body: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size)
}

/** What every object store must do. `open` gives an empty one, and `release` frees what `open` took beside it. */
export function testObjectStore(
  name: string,
  open: () => Promise<{ store: ObjectStore; release: () => Promise<void> }>,
): void {
  describe(name, () => {
    let opened: Awaited<ReturnType<typeof open>>
    let store: ObjectStore

    beforeAll(async () => {
      opened = await open()
      store = opened.store
    })
    afterAll(async () => {
      await store.close()
      await opened.release()
    })

    test('gives back the bytes that were put', async () => {
      const body = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251))
      expect(await store.put('whole/object', body)).toBe('stored')
      expect((await store.get('whole/object'))?.equals(body)).toBe(true)
    })

    test('holds an empty object', async () => {
      await store.put('empty', bytes(''))
      expect(await store.get('empty')).toEqual(bytes(''))
    })

    test.each([0, 1, 5 * 1024 * 1024, 12_000_000])('uploads %i bytes from a stream', async (length) => {
      const body = Buffer.alloc(length, 'millrace ')
      await store.upload('uploaded/object', inPieces(body, 1_000_003))
      expect((await store.get('uploaded/object'))?.equals(body)).toBe(true)
      const pieces: Buffer[] = []
      for await (const piece of readObject(store, 'uploaded/object', { start: 0, end: length + 10 }))
        pieces.push(piece)
      expect(Buffer.concat(pieces).equals(body)).toBe(true)
    })

    test('stores nothing of an upload that breaks off', async () => {
      const broken = async function* () {
        yield Buffer.alloc(9_000_000)
        throw new Error('the client left')
      }
      await expect(store.upload('uploaded/broken', broken())).rejects.toThrow('the client left')
      expect(await store.get('uploaded/broken')).toBeUndefined()
      expect(await store.list('uploaded/broken')).toEqual([])
    })

    test('gives a range clipped to the object', async () => {
      await store.put('range', bytes('0123456789'))
      expect(String(await store.get('range', { start: 0, end: 4 }))).toBe('0123')
      expect(String(await store.get('range', { start: 4, end: 6 }))).toBe('45')
      expect(String(await store.get('range', { start: 8, end: 100 }))).toBe('89')
      expect(String(await store.get('range', { start: 50, end: 60 }))).toBe('')
    })

    test('tells absent objects by undefined', async () => {
      await store.put('folder/object', bytes('x'))
      expect(await store.get('absent')).toBeUndefined()
      expect(await store.get('absent', { start: 0, end: 1 })).toBeUndefined()
      expect(await store.get('folder')).toBeUndefined()
    })

    test('replaces an object unless told not to', async () => {
      await store.put('replaced', bytes('first'))
      expect(await store.put('replaced', bytes('second'))).toBe('stored')
      expect(await store.put('replaced', bytes('third'), { onlyIfAbsent: true })).toBe('exists')
      expect(String(await store.get('replaced'))).toBe('second')
    })

    test('lets one of several racing writers have an absent key', async () => {
      const texts = ['a', 'b', 'c', 'd']
      const outcomes = await Promise.all(
        texts.map((text) => store.put('raced', bytes(text.repeat(50_000)), { onlyIfAbsent: true })),
      )
      expect(outcomes.toSorted()).toEqual(['exists', 'exists', 'exists', 'stored'])
      const winner = texts[outcomes.indexOf('stored')]!
      expect(String(await store.get('raced'))).toBe(winner.repeat(50_000))
    })

    test('deletes, also what is not there', async () => {
      await store.put('deleted/object', bytes('x'))
      await store.delete('deleted/object')
      await store.delete('deleted/object')
      expect(await store.get('deleted/object')).toBeUndefined()
      expect(await store.list('deleted')).toEqual([])
    })

    test('lists by prefix in the order of the keys', async () => {
      const keys = ['list/a-b/1', 'list/a.x', 'list/a/1', 'list/a/2', 'list/a0', 'list/b']
      for (const key of keys.toReversed()) await store.put(key, bytes(key))
      expect(await store.list('list/')).toEqual(keys)
      expect(await store.list('list/a/')).toEqual(['list/a/1', 'list/a/2'])
      expect(await store.list('list/a')).toEqual(keys.slice(0, 5))
      expect(await store.list('list/', { startAfter: 'list/a/1' })).toEqual(keys.slice(3))
      expect(await store.list('list/', { limit: 2 })).toEqual(keys.slice(0, 2))
      expect(await store.list('list/', { startAfter: 'list/a-b/1', limit: 1 })).toEqual(['list/a.x'])
      expect(await store.list('list/', { limit: 0 })).toEqual([])
      expect(await store.list('nothing/')).toEqual([])
    })

    test.each([
      '',
      '/',
      '/etc/passwd',
      '../x',
      'a/../b',
      'a/./b',
      'a//b',
      'a/',
      'a\0b',
      'a\\b',
      'ä',
      '~tmp/x',
      'a\n',
    ])('refuses %j as a key', async (key) => {
      await expect(store.put(key, bytes('x'))).rejects.toThrow(TypeError)
      await expect(store.get(key)).rejects.toThrow(TypeError)
      await expect(store.delete(key)).rejects.toThrow(TypeError)
    })

    test.each(['../', 'a/../', '/', 'a//', '~'])('refuses %j as a prefix', async (prefix) => {
      await expect(store.list(prefix)).rejects.toThrow(TypeError)
    })

    test('refuses a range that holds nothing', async () => {
      await expect(store.get('range', { start: 2, end: 2 })).rejects.toThrow(TypeError)
    })
  })
}

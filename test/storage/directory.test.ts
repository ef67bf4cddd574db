import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDirectoryStore } from '#libs/storage'
import { testObjectStore } from './object-store.ts'

testObjectStore('directory store', async () => {
  const root = await mkdtemp(join(tmpdir(), 'millrace-store-'))
  return { store: await openDirectoryStore(root), release: () => rm(root, { recursive: true }) }
})

let root: string
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-store-'))
})
afterEach(() => rm(root, { recursive: true }))

test('objects outlive the store, and no draft stays behind', async () => {
  const first = await openDirectoryStore(root)
  await first.put('a/b', Buffer.from('kept'))
  await first.put('a/b', Buffer.from('ignored'), { onlyIfAbsent: true })
  await first.close()
  const second = await openDirectoryStore(root)
  expect(String(await second.get('a/b'))).toBe('kept')
  expect(await readdir(join(root, '~tmp'))).toEqual([])
})

test('objects are readable by their owner alone', async () => {
  const store = await openDirectoryStore(root)
  await store.put('a/b', Buffer.from('private'))
  expect((await stat(join(root, 'a/b'))).mode & 0o077).toBe(0)
  expect((await stat(join(root, 'a'))).mode & 0o077).toBe(0)
})

test('opening removes drafts that a killed process left, but not those being written', async () => {
  const folder = join(root, '~tmp')
  await mkdir(folder)
  await writeFile(join(folder, 'left'), 'x')
  await utimes(join(folder, 'left'), 0, 0)
  await writeFile(join(folder, 'fresh'), 'x')
  await openDirectoryStore(root)
  expect(await readdir(folder)).toEqual(['fresh'])
})

test('a failure names the file and the reason', async () => {
  const store = await openDirectoryStore(root)
  await store.put('a', Buffer.from('x'))
  await expect(store.put('a/b', Buffer.from('x'))).rejects.toMatchObject({
    name: 'StorageError',
    message: expect.stringContaining(join(root, 'a/b')),
  })
  await rm(root, { recursive: true })
  await expect(store.put('c', Buffer.from('x'))).rejects.toMatchObject({ reason: 'ENOENT' })
  await mkdir(root)
})

import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { ByteRange, ObjectStore } from './object-store.ts'
import { checkKey, checkPrefix, checkRange, StorageError } from './object-store.ts'

/** No key can name it, because `~` is not a key's character. */
const temporaryFolder = '~tmp'
const abandonedAfterMs = 3_600_000

/** Folders whose names are known to be durable; each minute of each tenant has one. */
const mostRemembered = 1_000

/**
 * Keeps each object as a file of the same name under `root`, which is made if absent; several processes may
 * share it. Files are readable by their owner alone, because they hold what people wrote.
 *
 * A write goes to a temporary file of the same file system, is synced, and then takes its name in one step:
 * `link` fails if the name is taken, `rename` replaces it. Half a file is never seen under a key.
 */
export async function openDirectoryStore(root: string): Promise<ObjectStore> {
  const base = resolve(root)
  const temporary = join(base, temporaryFolder)
  await prepareFolder(temporary).catch(rethrow('open', base))

  const pathOf = (key: string) => {
    checkKey(key)
    return join(base, key)
  }

  const syncOnce = createFolderSync(base)

  /** Writes a draft and lets it take the key's name. What `write` throws is its own. */
  async function keep<T>(
    action: string,
    key: string,
    write: (draft: string) => Promise<void>,
    place: (draft: string, path: string) => Promise<T>,
  ): Promise<T> {
    const path = pathOf(key)
    const draft = join(temporary, randomUUID())
    try {
      await write(draft)
      await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch(rethrow(action, path))
      const outcome = await place(draft, path).catch(rethrow(action, path))
      await syncOnce(dirname(path)).catch(rethrow(action, path))
      return outcome
    } finally {
      await rm(draft, { force: true }).catch(rethrow(action, draft))
    }
  }

  return {
    put: (key, body, { onlyIfAbsent = false } = {}) =>
      keep(
        'put',
        key,
        (draft) => writeSynced(draft, body).catch(rethrow('put', draft)),
        onlyIfAbsent ? linkIfAbsent : replace,
      ),

    async upload(key, body) {
      await keep('upload', key, (draft) => writePieces(draft, body), replace)
    },

    async get(key, range) {
      const path = pathOf(key)
      if (range) checkRange(range)
      return readFrom(path, range).catch(absentOr('get', path))
    },

    async list(prefix, { startAfter = '', limit = Infinity } = {}) {
      checkPrefix(prefix)
      const keys: string[] = []
      if (limit <= 0) return keys
      for await (const key of walk(base, '', prefix, startAfter)) {
        if (keys.push(key) >= limit) break
      }
      return keys
    },

    async delete(key) {
      const path = pathOf(key)
      await rm(path).catch(absentOr('delete', path))
      await syncFolder(dirname(path)).catch(absentOr('delete', path))
    },

    async close() {},
  }
}

/** Once this process has synced a folder's own name, only what is in it changes. */
function createFolderSync(base: string): (folder: string) => Promise<void> {
  const synced = new Set<string>()
  return async (folder) => {
    if (synced.has(folder)) return syncFolder(folder)
    await syncFolders(folder, base)
    if (synced.size >= mostRemembered) synced.clear()
    synced.add(folder)
  }
}

async function prepareFolder(temporary: string): Promise<void> {
  const made = await mkdir(temporary, { recursive: true, mode: 0o700 })
  if (made) await syncFolders(temporary, dirname(made))
  await removeAbandoned(temporary)
}

async function writeSynced(path: string, body: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(body)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** What the body itself throws is none of the store's failures, and stays as it is. */
async function writePieces(path: string, body: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch(rethrow('upload', path))
  try {
    for await (const piece of body) await file.writeFile(piece).catch(rethrow('upload', path))
    await file.sync().catch(rethrow('upload', path))
  } finally {
    await file.close()
  }
}

async function linkIfAbsent(draft: string, path: string): Promise<'stored' | 'exists'> {
  try {
    await link(draft, path)
    return 'stored'
  } catch (error) {
    if (reasonOf(error) === 'EEXIST') return 'exists'
    throw error
  }
}

async function replace(draft: string, path: string): Promise<'stored'> {
  await rename(draft, path)
  return 'stored'
}

/**
 * A name is durable once its folder is synced, and a new folder's own name once its parent is; so all of them
 * up to the top, also when the name was there already, since its writer may not have come this far.
 */
async function syncFolders(folder: string, top: string): Promise<void> {
  for (let current = folder; ; current = dirname(current)) {
    await syncFolder(current)
    if (current === top) return
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function readFrom(path: string, range: ByteRange | undefined): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    if (!range) return await file.readFile()
    const { size } = await file.stat()
    const length = Math.max(0, Math.min(range.end, size) - range.start)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, range.start)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** Depth first with a folder sorted as `name/` is the order of whole keys, so a limit stops the walk early. */
async function* walk(
  base: string,
  folder: string,
  prefix: string,
  startAfter: string,
): AsyncGenerator<string> {
  const path = join(base, folder)
  const entries = (await readdir(path, { withFileTypes: true }).catch(absentOr('list', path))) ?? []
  const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort()
  for (const name of names) {
    const key = folder + name
    if (key === `${temporaryFolder}/`) continue
    const mayHold = key.startsWith(prefix) || (name.endsWith('/') && prefix.startsWith(key))
    if (!mayHold) continue
    if (!name.endsWith('/')) {
      if (key > startAfter) yield key
    } else if (key > startAfter || startAfter.startsWith(key)) {
      yield* walk(base, key, prefix, startAfter)
    }
  }
}

/** A killed process leaves its drafts, which hold text that `delete` could not find. */
async function removeAbandoned(temporary: string): Promise<void> {
  for (const name of await readdir(temporary)) {
    const path = join(temporary, name)
    const written = await stat(path).catch(absentOr('open', path))
    if (written && Date.now() - written.mtimeMs > abandonedAfterMs) await rm(path, { force: true })
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
}

function absentOr(operation: string, path: string): (error: unknown) => undefined {
  return (error) => {
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'ERR_FS_EISDIR'].includes(reasonOf(error))) return undefined
    return rethrow(operation, path)(error)
  }
}

const advice: Record<string, string> = {
  EACCES: 'Let the user that runs the gateway read and write there.',
  EROFS: 'Mount it writable.',
  ENOSPC: 'Free some space; what could not be written is tried again by whoever asked.',
  EDQUOT: 'Raise the quota; what could not be written is tried again by whoever asked.',
  EMFILE: 'Raise the limit of open files (ulimit -n).',
}

function rethrow(operation: string, path: string): (error: unknown) => never {
  return (error) => {
    const reason = reasonOf(error)
    const words = error instanceof Error ? error.message : String(error)
    throw new StorageError(`Could not ${operation} ${path}: ${words}. ${advice[reason] ?? ''}`.trim(), reason)
  }
}

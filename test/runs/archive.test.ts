import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Archive, ArchiveRecord } from '#libs/runs'
import { createArchive } from '#libs/runs'
import type { ObjectStore } from '#libs/storage'
import { connectS3Store, openDirectoryStore } from '#libs/storage'
import type { S3TestServer } from '../support/s3.ts'
import { startS3 } from '../support/s3.ts'

/** One process, one erasure at a time. */
const exclusively = <T>(_tenant: string, act: () => Promise<T>): Promise<T> => act()

const noon = Date.UTC(2026, 2, 4, 12, 0)

function runIdAt(timeMs: number): string {
  return `chatcmpl-${timeMs.toString(16).padStart(12, '0')}7${randomBytes(10).toString('hex').slice(1)}`
}

function recordAt(timeMs: number, tenant: string, text = `answer ${timeMs}`): ArchiveRecord {
  const rid = runIdAt(timeMs)
  return { rid, tenant, line: JSON.stringify({ rid, text }) }
}

let tenants = 0
/** A tenant that no other test has, so that tests may share a store. */
function newTenant(): string {
  return `tenant-${++tenants}`
}

async function allBytes(store: ObjectStore, tenant: string): Promise<string> {
  const objects = (await store.list(`v1/${tenant}/`)).map((key) => store.get(key))
  return (await Promise.all(objects)).join('')
}

const stores: Record<string, () => Promise<{ store: ObjectStore; release: () => Promise<void> }>> = {
  async directory() {
    const root = await mkdtemp(join(tmpdir(), 'millrace-archive-'))
    return { store: await openDirectoryStore(root), release: () => rm(root, { recursive: true }) }
  },
  async S3() {
    const server = await startS3()
    return { store: await connectS3Store(server.options), release: () => server.close() }
  },
}

describe.each(Object.entries(stores))('archive in %s', (_name, open) => {
  let opened: Awaited<ReturnType<typeof open>>
  let store: ObjectStore
  let archive: Archive
  let tenant: string

  beforeAll(async () => {
    opened = await open()
    store = opened.store
  })
  afterAll(async () => {
    await store.close()
    await opened.release()
  })
  beforeEach(() => {
    archive = createArchive({ store, exclusively })
    tenant = newTenant()
  })

  test('every text that was written is read back as it was', async () => {
    const texts = fc.array(fc.string({ unit: 'binary', maxLength: 300 }), { minLength: 1, maxLength: 12 })
    const segmentBytes = fc.integer({ min: 1, max: 2000 })
    await fc.assert(
      fc.asyncProperty(texts, segmentBytes, async (written, maxSegmentBytes) => {
        const small = createArchive({ store, exclusively, maxSegmentBytes })
        const owner = newTenant()
        const records = written.map((text, index) =>
          recordAt(noon + index * 7919, owner, `${text}\n\u2028🌾`),
        )
        const outcome = await small.write(records)
        expect(outcome.failed).toEqual([])
        expect(outcome.stored.toSorted()).toEqual(records.map(({ rid }) => rid).toSorted())
        for (const { rid, line } of records) expect(await small.read(rid, owner)).toBe(line)
      }),
      { numRuns: 30 },
    )
  })

  test('a foreign tenant neither reads nor erases a run', async () => {
    const record = recordAt(noon, tenant)
    await archive.write([record, recordAt(noon, `${tenant}-other`)])
    expect(await archive.read(record.rid, `${tenant}-other`)).toBeUndefined()
    expect(await archive.erase(record.rid, `${tenant}-other`)).toBe(false)
    expect(await archive.read(record.rid, tenant)).toBe(record.line)
  })

  test('runs of one minute and tenant share an object, whose key tells the minute and the span', async () => {
    const records = [
      recordAt(noon + 59_999, tenant),
      recordAt(noon + 1, tenant),
      recordAt(noon + 60_000, tenant),
    ]
    await archive.write(records)
    const hex = (timeMs: number) => timeMs.toString(16).padStart(12, '0')
    expect(await store.list(`v1/${tenant}/`)).toEqual([
      expect.stringMatching(`/2026/03/04/12/00/${hex(noon + 1)}-${hex(noon + 59_999)}-[0-9a-f]{16}\\.jsonl$`),
      expect.stringMatching(
        `/2026/03/04/12/01/${hex(noon + 60_000)}-${hex(noon + 60_000)}-[0-9a-f]{16}\\.jsonl$`,
      ),
    ])
  })

  test('a segment is lines of JSON: an index whose offsets start after it, and a run a line', async () => {
    const records = [recordAt(noon, tenant, 'ä'), recordAt(noon + 1, tenant, '🌾')]
    await archive.write(records)
    const [key = ''] = await store.list(`v1/${tenant}/`)
    const object = (await store.get(key))!
    const [header = '', ...lines] = object.toString().split('\n')
    expect(lines).toEqual([...records.map(({ line }) => line), ''])
    const index = JSON.parse(header) as { runs: [string, number, number][] }
    expect(index).toMatchObject({ version: 1, tenant })
    const body = object.subarray(header.length + 1)
    const found = index.runs.map(([rid, offset, length]) => [
      rid,
      String(body.subarray(offset, offset + length)),
    ])
    expect(found).toEqual(records.map(({ rid, line }) => [rid, line]))
  })

  test('the same batch in another order makes no second object', async () => {
    const records = [0, 1, 2, 3].map((index) => recordAt(noon + index, tenant))
    await archive.write(records)
    const again = await archive.write([...records.toReversed(), ...records])
    expect(again.stored).toHaveLength(4)
    expect(await store.list(`v1/${tenant}/`)).toHaveLength(1)
  })

  test('a run whose index lies beyond the first read is found', async () => {
    const records = Array.from({ length: 3000 }, (_, index) => recordAt(noon + index, tenant))
    await archive.write(records)
    expect(await store.list(`v1/${tenant}/`)).toHaveLength(1)
    expect(await archive.read(records[2999]!.rid, tenant)).toBe(records[2999]!.line)
    expect(await archive.read(records[0]!.rid, tenant)).toBe(records[0]!.line)
  })

  test('a run that was stored, not settled, and stored again in other company is found', async () => {
    const [first, second, third] = [0, 1, 2].map((index) => recordAt(noon + index, tenant))
    await archive.write([first!, second!])
    await archive.write([second!, third!])
    for (const record of [first!, second!, third!]) {
      expect(await archive.read(record.rid, tenant)).toBe(record.line)
    }
  })

  test('erasing leaves no text of the run in any object, and all of its neighbours', async () => {
    const [before, erased, after] = ['before', 'sécret 🌾', 'after'].map((text, index) =>
      recordAt(noon + index, tenant, text),
    )
    await archive.write([before!, erased!])
    await archive.write([before!, erased!, after!])
    const size = Buffer.byteLength(await allBytes(store, tenant))

    expect(await archive.erase(erased!.rid, tenant)).toBe(true)
    const rest = await allBytes(store, tenant)
    expect(rest).not.toContain('sécret')
    expect(rest).not.toContain(erased!.rid)
    expect(Buffer.byteLength(rest)).toBe(size)
    expect(await archive.read(erased!.rid, tenant)).toBeUndefined()
    expect(await archive.read(before!.rid, tenant)).toBe(before!.line)
    expect(await createArchive({ store, exclusively }).read(after!.rid, tenant)).toBe(after!.line)
    expect(await archive.erase(erased!.rid, tenant)).toBe(false)
  })

  test('writing the same batch again does not bring an erased run back', async () => {
    const records = [recordAt(noon, tenant), recordAt(noon + 1, tenant)]
    await archive.write(records)
    await archive.erase(records[0]!.rid, tenant)
    await archive.write(records)
    expect(await archive.read(records[0]!.rid, tenant)).toBeUndefined()
  })

  test('a reader that knew the index before the erasure gets nothing', async () => {
    const records = [recordAt(noon, tenant), recordAt(noon + 1, tenant)]
    await archive.write(records)
    const reader = createArchive({ store, exclusively })
    expect(await reader.read(records[0]!.rid, tenant)).toBe(records[0]!.line)
    await archive.erase(records[0]!.rid, tenant)
    expect(await reader.read(records[0]!.rid, tenant)).toBeUndefined()
    expect(await reader.read(records[1]!.rid, tenant)).toBe(records[1]!.line)
  })

  test.each(['', '../../x', 'chatcmpl-1', runIdAt(2 ** 48 - 1), runIdAt(0)])(
    'finds nothing by %j',
    async (rid) => {
      expect(await archive.read(rid, tenant)).toBeUndefined()
      expect(await archive.read(rid, '../x')).toBeUndefined()
      expect(await archive.erase(rid, tenant)).toBe(false)
    },
  )

  test('a record that can not be kept holds up no other', async () => {
    const good = recordAt(noon, tenant)
    const bad = [
      { ...recordAt(noon, tenant), rid: '../x' },
      recordAt(noon, 'Not/A/Tenant'),
      { ...recordAt(noon, tenant), line: '{\n}' },
      { ...recordAt(noon, tenant), line: '' },
    ]
    const outcome = await archive.write([...bad, good])
    expect(outcome.stored).toEqual([good.rid])
    expect(outcome.failed.flatMap(({ rids }) => rids)).toEqual(bad.map(({ rid }) => rid))
  })

  test('an object that is no segment is named in the error', async () => {
    const record = recordAt(noon, tenant)
    await archive.write([record])
    const [key = ''] = await store.list(`v1/${tenant}/`)
    await store.put(key, Buffer.from('not a segment'))
    await expect(archive.read(record.rid, tenant)).rejects.toThrow(key)
    await store.put(key, Buffer.from('not an index\n'))
    await expect(archive.read(record.rid, tenant)).rejects.toThrow(key)
  })
})

describe('archive in a failing S3', () => {
  let server: S3TestServer
  let store: ObjectStore
  let archive: Archive
  beforeEach(async () => {
    server = await startS3()
    store = await connectS3Store(server.options)
    archive = createArchive({ store, exclusively })
    return async () => {
      await store.close()
      await server.close()
    }
  })

  test('tells the stored runs from those that failed, and these can be written again', async () => {
    const records = [recordAt(noon, 'acme'), recordAt(noon + 60_000, 'acme')]
    server.faults.push({ status: 403, code: 'AccessDenied' })
    const outcome = await archive.write(records)
    expect(outcome.stored).toHaveLength(1)
    expect(outcome.failed).toMatchObject([{ rids: [expect.any(String)], error: { reason: 'AccessDenied' } }])
    const again = records.filter(({ rid }) => !outcome.stored.includes(rid))
    expect(await archive.write(again)).toEqual({ stored: outcome.failed[0]!.rids, failed: [] })
  })

  test('a write whose answer was lost counts as stored and makes one object', async () => {
    server.faults.push('lost-answer')
    const record = recordAt(noon, 'acme')
    expect(await archive.write([record])).toEqual({ stored: [record.rid], failed: [] })
    expect(server.objects.size).toBe(1)
  })

  test('reading a run of a small segment takes one list and one get', async () => {
    const records = [recordAt(noon, 'acme'), recordAt(noon + 1, 'acme')]
    await archive.write(records)
    server.requests.length = 0
    await archive.read(records[0]!.rid, 'acme')
    expect(server.requests.map(({ path }) => path.includes('list-type'))).toEqual([true, false])
  })
})

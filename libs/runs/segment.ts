import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { RunId } from '#libs/core'
import { runIdTimeMs } from '#libs/core'

/*
 * A segment is one object of the archive: the finished runs of one tenant whose ids were made in one minute.
 *
 *   {"version":1,"tenant":"acme","runs":[["chatcmpl-0190…",0,3012],["chatcmpl-0190…",3013,2881]]}
 *   {…the first run…}
 *   {…the second run…}
 *
 * The first line is the index: each run's id, where its line starts (in bytes, counted from the start of the
 * second line) and how long it is (in bytes, without its line break). Lines are in the order of the index, and
 * nothing ever moves: a run that is erased leaves blanks of the same length, in the index too. So an index that
 * was read before an erasure still fits the object after it.
 */

/** A finished run as its caller tells it: `line` is JSON text without a line break. */
export interface ArchiveRecord {
  rid: RunId
  tenant: string
  line: string
}

export interface Segment {
  key: string
  body: Buffer
  rids: RunId[]
}

/** Where each run's line lies in the object, counted from the object's first byte. */
export type SegmentIndex = ReadonlyMap<RunId, { start: number; end: number }>

const SegmentHeader = z.object({
  version: z.literal(1),
  tenant: z.string(),
  runs: z.array(z.tuple([z.string(), z.int().nonnegative(), z.int().positive()])),
})

const lineBreak = 0x0a
const blank = 0x20

/**
 * Packs records into as few segments as tenant, minute and `maxBytes` of lines allow; a longer line gets a
 * segment of its own. The same records give the same keys and bytes, in whatever order they come, and a run that
 * comes twice is kept once, so that erasing it leaves no other copy.
 */
export function encodeSegments(records: readonly ArchiveRecord[], maxBytes: number): Segment[] {
  const unique = new Map(records.map((record) => [record.rid, record])).values()
  const groups = Map.groupBy(unique, ({ rid, tenant }) => minutePrefix(rid, tenant))
  return [...groups].flatMap(([prefix, group]) => {
    const ordered = group.toSorted((a, b) => (idDigits(a.rid) < idDigits(b.rid) ? -1 : 1))
    return split(ordered, maxBytes).map((part) => encodeSegment(prefix, part))
  })
}

/** Starts the keys of all segments that may hold the run, and of no other tenant's or minute's. */
export function minutePrefix(rid: RunId, tenant: string): string {
  const [date = '', time = ''] = new Date(runIdTimeMs(rid)).toISOString().split('T')
  // An id that someone made up may lie in a year that is written with a sign, which no key can hold.
  const day = date.replace('+', '').replaceAll('-', '/')
  return `v1/${tenant}/${day}/${time.slice(0, 2)}/${time.slice(3, 5)}/`
}

/** Whether the time span in a segment's key spans the run's. */
export function mayHold(key: string, rid: RunId): boolean {
  const [, first, last] = /\/([0-9a-f]{12})-([0-9a-f]{12})-[0-9a-f]{16}\.jsonl$/.exec(key) ?? []
  if (first === undefined || last === undefined) return false
  const time = timeDigits(rid)
  return first <= time && time <= last
}

/** Reads the index from the start of an object; `undefined` if its first line goes on beyond `head`. */
export function parseIndex(head: Buffer): SegmentIndex | undefined {
  const end = head.indexOf(lineBreak)
  if (end === -1) return undefined
  const { runs } = SegmentHeader.parse(JSON.parse(head.toString('utf8', 0, end)))
  const origin = end + 1
  return new Map(
    runs.map(([rid, offset, length]) => [rid, { start: origin + offset, end: origin + offset + length }]),
  )
}

/** Blanks a run's line and its id in the index, in place; false if the segment does not hold it. */
export function blankRun(body: Buffer, rid: RunId): boolean {
  const line = parseIndex(body)?.get(rid)
  if (!line) return false
  body.fill(blank, line.start, line.end)
  const id = body.indexOf(rid, body.indexOf('"runs"'))
  body.fill(blank, id, id + rid.length)
  return true
}

type Batch = [ArchiveRecord, ...ArchiveRecord[]]

function encodeSegment(prefix: string, records: Batch): Segment {
  const [first] = records
  const last = records.at(-1) ?? first
  const rids = records.map(({ rid }) => rid)
  const runs: [RunId, number, number][] = []
  let offset = 0
  for (const { rid, line } of records) {
    const length = Buffer.byteLength(line)
    runs.push([rid, offset, length])
    offset += length + 1
  }
  const header = JSON.stringify({ version: 1, tenant: first.tenant, runs })
  const text = [header, ...records.map(({ line }) => line), ''].join('\n')
  const id = createHash('sha256').update(rids.join()).digest('hex').slice(0, 16)
  const key = `${prefix}${timeDigits(first.rid)}-${timeDigits(last.rid)}-${id}.jsonl`
  return { key, body: Buffer.from(text), rids }
}

function split(records: readonly ArchiveRecord[], maxBytes: number): Batch[] {
  const batches: Batch[] = []
  let bytes = 0
  for (const record of records) {
    const size = Buffer.byteLength(record.line) + 1
    const batch = batches.at(-1)
    if (batch && bytes + size <= maxBytes) {
      batch.push(record)
      bytes += size
    } else {
      batches.push([record])
      bytes = size
    }
  }
  return batches
}

/** The UUIDv7 in the id, whose order is the order of time. */
function idDigits(rid: RunId): string {
  return rid.slice(-32)
}

/** Its first 48 bits: milliseconds since 1970. */
function timeDigits(rid: RunId): string {
  return rid.slice(-32, -20)
}

import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { ByteRange } from '#libs/storage'

/** Bytes that can be read from any place on. */
export interface Content {
  bytes: number
  sha256: string
  filename: string
  type: string
  read: (range: ByteRange) => AsyncIterable<Buffer>
}

/** Sends all of it, or the one range that was asked for. A range that can't be read is as one that was not sent. */
export function sendContent(reply: FastifyReply, content: Content): FastifyReply {
  const { bytes, sha256, filename, type, read } = content
  reply.headers({
    'content-type': type,
    // What somebody uploaded is never shown as a page of the gateway's own.
    'x-content-type-options': 'nosniff',
    'content-disposition': `attachment; filename*=UTF-8''${encodeRfc5987(filename)}`,
    'accept-ranges': 'bytes',
    etag: `"${sha256}"`,
  })
  const range = readRange(reply.request.headers.range, bytes)
  if (range === 'beyond') return reply.code(416).header('content-range', `bytes */${bytes}`).send()
  const { start, end } = range ?? { start: 0, end: bytes }
  if (range !== undefined) reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${bytes}`)
  reply.header('content-length', String(end - start))
  if (reply.request.method === 'HEAD' || end === start) return reply.send()
  return reply.send(Readable.from(read({ start, end }), { objectMode: false }))
}

/** The first bytes, the last, or those between; of several ranges none. */
function readRange(header: string | undefined, bytes: number): ByteRange | 'beyond' | undefined {
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  if (first === '') {
    const count = Math.min(Number(last), bytes)
    return count === 0 ? 'beyond' : { start: bytes - count, end: bytes }
  }
  const start = Number(first)
  if (start >= bytes) return 'beyond'
  const end = last === '' ? bytes : Math.min(Number(last) + 1, bytes)
  return end <= start ? undefined : { start, end }
}

function encodeRfc5987(text: string): string {
  const wellFormed = text.toWellFormed()
  return encodeURIComponent(wellFormed).replaceAll(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`)
}

import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { S3StoreOptions } from '#libs/storage'

/**
 * What a request meets instead of an answer: an S3 error, a reset when its body has begun to come, a reset after
 * the object was stored, or silence.
 */
export type S3Fault = { status: number; code: string } | 'reset' | 'lost-answer' | 'silence'

export interface S3TestServer {
  /** What `connectS3Store` needs to reach it. */
  options: Required<Pick<S3StoreOptions, 'bucket' | 'endpoint' | 'forcePathStyle' | 'credentials'>>
  objects: Map<string, Buffer>
  /** The parts of uploads that are neither completed nor aborted. */
  uploads: Map<string, Map<number, Buffer>>
  /** Each request takes one from the front. */
  faults: S3Fault[]
  /** Every request that came, refused ones included. */
  requests: { method: string; path: string; headers: IncomingHttpHeaders }[]
  /** The most keys that one answer to a list holds. */
  pageSize: number
  close(): Promise<void>
}

interface Answer {
  status: number
  headers?: Record<string, string>
  body?: Buffer | string
}

const bucket = 'millrace-test'
/** As Amazon has it, but for the last part. */
const smallestPart = 5 * 1024 * 1024
const credentials = { accessKeyId: 'TEST', secretAccessKey: 'test-secret' }

/**
 * Speaks as much of the S3 protocol as an object store needs, on a free port with one empty bucket in memory. It
 * verifies checksums, and answers conditional writes as Amazon does: 412 for a taken key, 409 for a key that
 * another request is writing. It knows the access key but does not verify signatures.
 */
export async function startS3(): Promise<S3TestServer> {
  const state = {
    objects: new Map<string, Buffer>(),
    uploads: new Map<string, Map<number, Buffer>>(),
    faults: [] as S3Fault[],
    pageSize: 1000,
  }
  const requests: S3TestServer['requests'] = []
  const handle = createHandler(state)
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request
    requests.push({ method, path: url, headers })
    void answerOrFail(request, response, state.faults.shift(), handle)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined

  return Object.assign(state, {
    options: { bucket, endpoint: `http://127.0.0.1:${port}`, forcePathStyle: true, credentials },
    requests,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  })
}

type Handler = (request: IncomingMessage) => Promise<Answer>

async function answerOrFail(
  request: IncomingMessage,
  response: ServerResponse,
  fault: S3Fault | undefined,
  handle: Handler,
): Promise<void> {
  if (fault === 'silence') return
  if (fault === 'reset') return void request.once('data', () => request.socket.resetAndDestroy())
  const {
    status,
    headers,
    body = '',
  } = typeof fault === 'object' ? refusal(fault.status, fault.code) : await handle(request)
  if (fault === 'lost-answer') return void request.socket.resetAndDestroy()
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
}

function createHandler(state: Pick<S3TestServer, 'objects' | 'uploads' | 'pageSize'>): Handler {
  const { objects } = state
  const beingWritten = new Set<string>()
  const answerUpload = createUploads(state)

  return async (request) => {
    const url = new URL(request.url ?? '', 'http://s3')
    const [, name, ...segments] = url.pathname.split('/')
    const key = segments.join('/')
    const knowsKey = request.headers.authorization?.includes(`Credential=${credentials.accessKeyId}/`)
    if (!knowsKey) return refusal(403, 'InvalidAccessKeyId', credentialEcho(request))
    if (name !== bucket) return refusal(404, 'NoSuchBucket')

    const partAnswer = await answerUpload(request, url, key)
    if (partAnswer !== undefined) return partAnswer
    if (request.method === 'PUT') {
      const conditional = request.headers['if-none-match'] === '*'
      if (conditional && objects.has(key)) return refusal(412, 'PreconditionFailed')
      if (conditional && beingWritten.has(key)) return refusal(409, 'ConditionalRequestConflict')
      beingWritten.add(key)
      const body = await buffer(request).finally(() => beingWritten.delete(key))
      if (!isIntact(request.headers, body)) return refusal(400, 'BadDigest')
      objects.set(key, body)
      return { status: 200 }
    }
    if (request.method === 'DELETE') {
      objects.delete(key)
      return { status: 204 }
    }
    if (url.searchParams.get('list-type') === '2') return list(state, url.searchParams)
    const object = objects.get(key)
    return object ? ranged(object, request.headers.range) : refusal(404, 'NoSuchKey')
  }
}

/** Multipart uploads: parts wait under the upload's id until it is completed or aborted. */
function createUploads({ objects, uploads }: Pick<S3TestServer, 'objects' | 'uploads'>) {
  return async (request: IncomingMessage, url: URL, key: string): Promise<Answer | undefined> => {
    if (request.method === 'POST' && url.searchParams.has('uploads')) {
      const id = `upload-${randomUUID()}`
      uploads.set(id, new Map())
      return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
    }
    const id = url.searchParams.get('uploadId')
    if (id === null) return undefined
    const parts = uploads.get(id)
    if (parts === undefined) return refusal(404, 'NoSuchUpload')
    if (request.method === 'DELETE') {
      uploads.delete(id)
      return { status: 204 }
    }
    const body = await buffer(request)
    if (request.method === 'PUT') {
      if (!isIntact(request.headers, body)) return refusal(400, 'BadDigest')
      const number = Number(url.searchParams.get('partNumber'))
      parts.set(number, body)
      const checksum = request.headers['x-amz-checksum-sha256'] as string
      return { status: 200, headers: { etag: `"${number}"`, 'x-amz-checksum-sha256': checksum } }
    }
    const named = [...body.toString().matchAll(/<PartNumber>(\d+)</g)].map(([, number]) => Number(number))
    const ordered = named.map((number) => parts.get(number) ?? Buffer.alloc(0))
    if (ordered.slice(0, -1).some(({ length }) => length < smallestPart))
      return refusal(400, 'EntityTooSmall')
    objects.set(key, Buffer.concat(ordered))
    uploads.delete(id)
    return xml('<CompleteMultipartUploadResult></CompleteMultipartUploadResult>')
  }
}

function xml(body: string): Answer {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body }
}

function isIntact(headers: IncomingHttpHeaders, body: Buffer): boolean {
  const digest = createHash('sha256').update(body)
  return headers['x-amz-checksum-sha256'] === digest.digest('base64')
}

function ranged(object: Buffer, range: string | undefined): Answer {
  const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
  if (start === undefined)
    return { status: 200, headers: { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' }, body: object }
  const body = object.subarray(Number(start), Number(last) + 1)
  if (body.length === 0) return refusal(416, 'InvalidRange')
  const contentRange = `bytes ${start}-${Number(start) + body.length - 1}/${object.length}`
  return { status: 206, headers: { 'content-range': contentRange }, body }
}

function list(
  { objects, pageSize }: Pick<S3TestServer, 'objects' | 'pageSize'>,
  query: URLSearchParams,
): Answer {
  const prefix = query.get('prefix') ?? ''
  const after = query.get('continuation-token') ?? query.get('start-after') ?? ''
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).toSorted()
  const page = keys.slice(0, Math.min(Number(query.get('max-keys') ?? 1000), pageSize))
  const more = page.length < keys.length
  const next = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''
  const describeObject = (key: string) =>
    `<Key>${key}</Key><Size>${objects.get(key)?.length}</Size><LastModified>2026-01-01T00:00:00Z</LastModified>`
  const contents = page.map((key) => `<Contents>${describeObject(key)}</Contents>`).join('')
  return {
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: `<ListBucketResult><IsTruncated>${more}</IsTruncated>${next}${contents}</ListBucketResult>`,
  }
}

/** Amazon repeats the access key in its refusal. */
function credentialEcho(request: IncomingMessage): string {
  const id = /Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1]
  return `<AWSAccessKeyId>${id}</AWSAccessKeyId>`
}

function refusal(status: number, code: string, details = ''): Answer {
  return {
    status,
    headers: { 'content-type': 'application/xml' },
    body: `<Error><Code>${code}</Code><Message>Refused by the test server.</Message>${details}</Error>`,
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type * as S3 from '@aws-sdk/client-s3'
import type { ObjectStore } from './object-store.ts'
import { checkKey, checkPrefix, checkRange, StorageError } from './object-store.ts'
import { uploadParts } from './s3-upload.ts'

/** Where the bucket is. One that does not exist is not made. */
export interface S3StoreOptions {
  bucket: string
  /** Starts every key, such as `millrace/`; what lies outside of it is neither seen nor touched. */
  prefix?: string
  /** The base URL of a store that is not Amazon's. */
  endpoint?: string
  /** Default: what the SDK finds in the environment, or `us-east-1` where an endpoint is given. */
  region?: string
  /** Puts the bucket in the path and not in the host name, which most stores other than Amazon's need. */
  forcePathStyle?: boolean
  /** Default: the SDK's chain (environment, shared files, container or machine role). */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }
  /** One try of one request, up to the start of the answer, and any silence within it. Default 10 seconds. */
  requestTimeoutMs?: number
}

const maxAttempts = 3

/**
 * A bucket of Amazon S3 or of a store that speaks its protocol, conditional writes (`If-None-Match`) included.
 * The SDK is loaded here and not before. Nothing is sent until the first call, so a wrong name or key shows then.
 */
export async function connectS3Store(options: S3StoreOptions): Promise<ObjectStore> {
  const { bucket: Bucket, prefix = '' } = options
  checkPrefix(prefix)
  const sdk = await import('@aws-sdk/client-s3')
  const client = createClient(sdk, options)
  const translate = createTranslator(options)

  const locate = (key: string) => {
    checkKey(key)
    return { Bucket, Key: prefix + key }
  }

  return {
    async put(key, body, { onlyIfAbsent = false } = {}) {
      const location = locate(key)
      const condition = onlyIfAbsent ? { IfNoneMatch: '*' } : {}
      const input = { ...location, ...condition, Body: body, ChecksumAlgorithm: 'SHA256' } as const
      try {
        await retryConflicts(() => client.send(new sdk.PutObjectCommand(input)))
        return 'stored'
      } catch (error) {
        if (onlyIfAbsent && statusOf(error) === 412) return 'exists'
        return translate('put', key, error)
      }
    },

    async upload(key, body) {
      const location = locate(key)
      const onError = (error: unknown): never => translate('upload', key, error)
      await uploadParts({ sdk, client, location, onError }, body)
    },

    async get(key, range) {
      const location = locate(key)
      if (range) checkRange(range)
      const Range = range && `bytes=${range.start}-${range.end - 1}`
      try {
        const { Body } = await client.send(new sdk.GetObjectCommand({ ...location, Range }))
        const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array()
        return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      } catch (error) {
        if (nameOf(error) === 'NoSuchKey') return undefined
        if (statusOf(error) === 416) return Buffer.alloc(0)
        return translate('get', key, error)
      }
    },

    async list(start, { startAfter, limit = Infinity } = {}) {
      checkPrefix(start)
      const scope = { Bucket, Prefix: prefix + start, StartAfter: startAfter && prefix + startAfter }
      try {
        return await listPages(sdk, client, scope, limit, prefix.length)
      } catch (error) {
        return translate('list', start, error)
      }
    },

    async delete(key) {
      const command = new sdk.DeleteObjectCommand(locate(key))
      await client.send(command).catch((error: unknown) => translate('delete', key, error))
    },

    async close() {
      client.destroy()
    },
  }
}

function createClient(sdk: typeof S3, options: S3StoreOptions): S3.S3Client {
  const { endpoint, credentials, forcePathStyle, requestTimeoutMs = 10_000 } = options
  const region = options.region ?? (endpoint === undefined ? undefined : 'us-east-1')
  return new sdk.S3Client({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
    ...(credentials && { credentials }),
    ...(forcePathStyle !== undefined && { forcePathStyle }),
    maxAttempts,
    requestHandler: {
      connectionTimeout: 2000,
      requestTimeout: requestTimeoutMs,
      socketTimeout: requestTimeoutMs,
      // Without this the handler only warns of a request that takes too long, and waits on.
      throwOnRequestTimeout: true,
    },
  })
}

/** 409 says that another write of the same key is under way; the SDK does not count it among what may be retried. */
async function retryConflicts(send: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await send()
      return
    } catch (error) {
      if (statusOf(error) !== 409 || attempt === maxAttempts) throw error
      await sleep(attempt * (50 + Math.random() * 100))
    }
  }
}

async function listPages(
  sdk: typeof S3,
  client: S3.S3Client,
  scope: S3.ListObjectsV2CommandInput,
  limit: number,
  prefixLength: number,
): Promise<string[]> {
  const keys: string[] = []
  let ContinuationToken: string | undefined
  while (keys.length < limit) {
    const MaxKeys = Math.min(1000, limit - keys.length)
    const page: S3.ListObjectsV2CommandOutput = await client.send(
      new sdk.ListObjectsV2Command({ ...scope, MaxKeys, ContinuationToken }),
    )
    for (const { Key } of page.Contents ?? []) if (Key !== undefined) keys.push(Key.slice(prefixLength))
    ContinuationToken = page.NextContinuationToken
    if (ContinuationToken === undefined) break
  }
  return keys
}

function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  // A connection's failure is a plain Error, and only its code tells which.
  return error.name === 'Error' && 'code' in error ? String(error.code) : error.name
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('$metadata' in error)) return undefined
  return (error as S3.S3ServiceException).$metadata.httpStatusCode
}

const network = 'Check the endpoint and the network between.'
const permission =
  'Check the credentials, and that they may put, get, list and delete objects in this bucket.'
const wrongRegion = 'Set the region that the bucket is in.'
const patience = 'The store is overloaded or broken; try again later.'

const advice: Record<string, string> = {
  NoSuchBucket: 'Create the bucket, or correct its name.',
  AccessDenied: permission,
  CredentialsProviderError: permission,
  ExpiredToken: permission,
  InvalidAccessKeyId: permission,
  SignatureDoesNotMatch: permission,
  AuthorizationHeaderMalformed: wrongRegion,
  PermanentRedirect: wrongRegion,
  NotImplemented: 'The store must support conditional writes (If-None-Match) and SHA-256 checksums.',
  InternalError: patience,
  ServiceUnavailable: patience,
  SlowDown: patience,
  ECONNREFUSED: network,
  ECONNRESET: network,
  ENOTFOUND: network,
  TimeoutError: network,
}

/**
 * Makes the error that callers see. The SDK's own is not kept as its cause: a store's answer may repeat the
 * access key and the signed request, and a logger would print them.
 */
function createTranslator(options: S3StoreOptions) {
  const where = options.endpoint === undefined ? 'Amazon S3' : new URL(options.endpoint).host
  return (operation: string, key: string, error: unknown): never => {
    const reason = nameOf(error)
    const words = error instanceof Error ? error.message.replace(/\.$/, '') : String(error)
    const what = `Could not ${operation} "${key}" in bucket "${options.bucket}" at ${where}`
    throw new StorageError(`${what}: ${reason}: ${words}. ${advice[reason] ?? ''}`.trim(), reason)
  }
}

import type * as S3 from '@aws-sdk/client-s3'

/** Where an upload goes, and what is done with what the store answers. */
export interface UploadTarget {
  sdk: typeof S3
  client: S3.S3Client
  location: { Bucket: string; Key: string }
  onError: (error: unknown) => never
}

/** The least that S3 takes. With ten thousand parts at most, an object may have 52 GB. */
const partBytes = 5 * 1024 * 1024

/** Puts a body that fits into one part as it is, and any other as parts, each with a checksum of its own. */
export async function uploadParts(target: UploadTarget, body: AsyncIterable<Uint8Array>): Promise<void> {
  const { sdk, client, location, onError } = target
  const parts = gather(body)
  const first = await parts.next()
  const head = first.done === true ? Buffer.alloc(0) : first.value
  if (head.length < partBytes) {
    const whole = { ...location, Body: head, ChecksumAlgorithm: 'SHA256' } as const
    await client.send(new sdk.PutObjectCommand(whole)).catch(onError)
    return
  }
  const begin = new sdk.CreateMultipartUploadCommand({ ...location, ChecksumAlgorithm: 'SHA256' })
  const { UploadId } = await client.send(begin).catch(onError)
  const upload = { ...location, UploadId }
  try {
    const stored = [await sendPart(target, upload, 1, head)]
    for await (const part of parts) stored.push(await sendPart(target, upload, stored.length + 1, part))
    const complete = { ...upload, MultipartUpload: { Parts: stored } }
    await client.send(new sdk.CompleteMultipartUploadCommand(complete)).catch(onError)
  } catch (error) {
    // What is not taken back is paid for until the bucket's own rule removes it, and that is no reason to hide the error.
    await client.send(new sdk.AbortMultipartUploadCommand(upload)).catch(() => undefined)
    throw error
  }
}

type Upload = UploadTarget['location'] & { UploadId: string | undefined }

async function sendPart(
  { sdk, client, onError }: UploadTarget,
  upload: Upload,
  PartNumber: number,
  Body: Buffer,
): Promise<S3.CompletedPart> {
  const command = new sdk.UploadPartCommand({ ...upload, PartNumber, Body, ChecksumAlgorithm: 'SHA256' })
  const { ETag, ChecksumSHA256 } = await client.send(command).catch(onError)
  return { PartNumber, ETag, ChecksumSHA256 }
}

/** The body in pieces of one part each, of which only the last is smaller. All are the same memory, one after another. */
async function* gather(body: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const part = Buffer.allocUnsafeSlow(partBytes)
  let length = 0
  for await (const piece of body) {
    for (let from = 0; from < piece.length;) {
      const taken = Math.min(piece.length - from, partBytes - length)
      part.set(piece.subarray(from, from + taken), length)
      length += taken
      from += taken
      if (length < partBytes) continue
      yield part
      length = 0
    }
  }
  if (length > 0) yield part.subarray(0, length)
}

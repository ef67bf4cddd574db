import { GatewayError } from '#libs/core'
import type { FileRecord } from '#libs/files'

/** What a client may upload a file for; the gateway itself makes those of `batch_output`. */
export const uploadPurposes: readonly string[] = [
  'assistants',
  'batch',
  'fine-tune',
  'vision',
  'user_data',
  'evals',
]

const shortestLifeSeconds = 3_600
const longestLifeSeconds = 2_592_000

/** A file in OpenAI's words. */
export function toFileObject({ id, bytes, createdAtMs, expiresAtMs, filename, purpose }: FileRecord): object {
  return {
    id,
    object: 'file',
    bytes,
    created_at: Math.floor(createdAtMs / 1000),
    ...(expiresAtMs !== undefined && { expires_at: Math.floor(expiresAtMs / 1000) }),
    filename,
    purpose,
    status: 'processed',
    status_details: null,
  }
}

/** Reads `expires_after` as it came in a body or a form. Throws `invalid_request` naming what is wrong in it. */
export function readExpiresAfterMs(
  anchor: unknown,
  seconds: unknown,
  param = 'expires_after',
): number | undefined {
  if (anchor === undefined && seconds === undefined) return undefined
  if (anchor !== 'created_at') {
    throw new GatewayError('invalid_request', `${param}[anchor] is created_at.`, {
      param: `${param}[anchor]`,
    })
  }
  const count = typeof seconds === 'string' && /^\d{1,9}$/.test(seconds) ? Number(seconds) : seconds
  const isInRange =
    Number.isInteger(count) && Number(count) >= shortestLifeSeconds && Number(count) <= longestLifeSeconds
  if (!isInRange) {
    throw new GatewayError(
      'invalid_request',
      `${param}[seconds] is a whole number from ${shortestLifeSeconds} to ${longestLifeSeconds}.`,
      { param: `${param}[seconds]` },
    )
  }
  return Number(count) * 1000
}

export function fileNotFound(id: string): GatewayError {
  return new GatewayError('file_not_found', `There is no file ${id.slice(0, 100)}.`, { param: 'id' })
}

import { isJsonObject } from './json-text.ts'

/** A body that is no JSON: its bytes, and the type that HTTP says they have. Where it is kept, its bytes are base64. */
export interface Media {
  type: string
  bytes: Buffer
}

/** Whether this is one; nothing that was parsed from JSON is. */
export function isMedia(value: unknown): value is Media {
  return isJsonObject(value) && Buffer.isBuffer(value.bytes)
}

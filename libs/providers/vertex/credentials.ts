import { isAbsolute } from 'node:path'
import { isJsonObject } from '#libs/core'

/** As Google gives them: of a service account, or whatever else has a type that its SDK knows. */
export type Credentials = Record<string, unknown>

/** What a key's value is: credentials as JSON, the path of a file that holds them, or a token as it goes out. */
export type VertexKey = { credentials: Credentials } | { file: string } | { token: string }

/** A text where the value is none of these: what is wrong with it. */
export function readVertexKey(value: string): VertexKey | string {
  const text = value.trim()
  if (text.startsWith('{')) {
    const credentials = readCredentials(text)
    return typeof credentials === 'string' ? credentials : { credentials }
  }
  if (isAbsolute(text) || text.endsWith('.json')) return { file: text }
  if (/^[\x21-\x7e]+$/.test(text)) return { token: text }
  return 'must be the JSON of a service account, the path of its file, or an access token'
}

/** A text tells what is wrong with them, and nothing of what they say. */
export function readCredentials(json: string): Credentials | string {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return 'must be valid JSON, as Google gives the key of a service account'
  }
  if (!isJsonObject(value) || typeof value.type !== 'string') {
    return 'must have a type, as credentials of Google do, such as service_account'
  }
  const needed = value.type === 'service_account' ? ['client_email', 'private_key'] : []
  const missing = needed.filter((name) => typeof value[name] !== 'string')
  return missing.length === 0 ? value : `is a service account without ${missing.join(' and ')}`
}

export function checkVertexKey(value: string): string | undefined {
  const key = readVertexKey(value)
  return typeof key === 'string' ? key : undefined
}

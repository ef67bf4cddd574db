import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { KeyConfig } from '#config'
import { GatewayError } from '#libs/core'
import type { Lane } from '#libs/runs'

/** Who calls. */
export interface Caller {
  tenant: string
  /** The lane of its runs; undefined if that depends on how it asks. */
  lane: Lane | undefined
  onDisconnect: 'continue' | 'cancel' | undefined
}

/** Throws `invalid_api_key` for anyone who is not known. */
export type Authenticate = (headers: IncomingHttpHeaders) => Caller

const anyone: Caller = { tenant: 'default', lane: undefined, onDisconnect: undefined }

/** Keeps digests of the keys and not the keys; without any, everyone is the tenant `default`. */
export function createAuthenticate(keys: readonly KeyConfig[]): Authenticate {
  if (keys.length === 0) return () => anyone
  const callers = new Map(
    keys.map(({ key, tenant, priority, onDisconnect }): [string, Caller] => [
      digest(key),
      { tenant, lane: priority, onDisconnect },
    ]),
  )
  return (headers) => {
    const key = readKey(headers)
    if (key === undefined) throw refused('There is no API key: send it as "Authorization: Bearer KEY".')
    const caller = callers.get(digest(key))
    if (caller === undefined) throw refused('The API key is not one that this gateway knows.')
    return caller
  }
}

/** Each SDK has its own header for the key. */
function readKey(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  if (bearer !== undefined) return bearer
  for (const name of ['x-api-key', 'api-key', 'x-goog-api-key']) {
    const value = headers[name]
    if (typeof value === 'string' && value !== '') return value
  }
  return undefined
}

function digest(key: string): string {
  return hash('sha256', key)
}

function refused(message: string): GatewayError {
  return new GatewayError('invalid_api_key', message)
}

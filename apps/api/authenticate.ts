import { hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { KeyConfig, Limits } from '#config'
import { createNameFilter, GatewayError, type NameFilter } from '#libs/core'
import { toMeter, type Meter } from '#libs/keys'
import type { Lane } from '#libs/runs'

/** Who calls. */
export interface Caller {
  /** The name of the key that was shown; undefined where nobody has to show one. */
  keyName: string | undefined
  tenant: string
  /** The lane of its runs; undefined if that depends on how it asks. */
  lane: Lane | undefined
  onDisconnect: 'continue' | 'cancel' | undefined
  limits: Limits | undefined
  /** What its runs count on; undefined without limits. */
  meter: Meter | undefined
  /** Whether it may ask for a model, by all names that the model has. */
  mayAsk: NameFilter
}

/** Throws `invalid_api_key` for anyone who is not known. */
export type Authenticate = (headers: IncomingHttpHeaders) => Caller

const anyone: Caller = {
  keyName: undefined,
  tenant: 'default',
  lane: undefined,
  onDisconnect: undefined,
  limits: undefined,
  meter: undefined,
  mayAsk: () => true,
}

/**
 * Keeps digests of the keys and not the keys; without any, everyone is the tenant `default`. `keyHeader` is looked into
 * before all others.
 */
export function createAuthenticate(keys: readonly KeyConfig[], keyHeader?: string): Authenticate {
  if (keys.length === 0) return () => anyone
  const callers = new Map(keys.map((key) => [digest(key.key), toCaller(key)]))
  return (headers) => {
    const key = readKey(headers, keyHeader)
    if (key === undefined) throw refused('There is no API key: send it as "Authorization: Bearer KEY".')
    const caller = callers.get(digest(key))
    if (caller === undefined) throw refused('The API key is not one that this gateway knows.')
    return caller
  }
}

/** Who called with the key of this name, for what goes on when he has left; undefined if there is no such key any more. */
export type RecallCaller = (keyName: string | undefined) => Caller | undefined

export function createRecallCaller(keys: readonly KeyConfig[]): RecallCaller {
  if (keys.length === 0) return () => anyone
  const callers = new Map(keys.map((key) => [key.name, toCaller(key)]))
  return (keyName) => callers.get(keyName ?? '')
}

function toCaller({ name, tenant, priority, onDisconnect, limits, models }: KeyConfig): Caller {
  const meter = toMeter(`client:${name}`, limits)
  const mayAsk = createNameFilter(models)
  return { keyName: name, tenant, lane: priority, onDisconnect, limits, meter, mayAsk }
}

/** How OpenAI's clients send a key from a browser, which lets a page choose nothing else of a WebSocket's request. */
export const keyProtocol = 'openai-insecure-api-key.'

/** Each SDK has its own header for the key; the last is that of Azure's API Management. */
const sdkHeaders = ['x-api-key', 'api-key', 'x-goog-api-key', 'ocp-apim-subscription-key']

/** The key that a request shows, if it does; `keyHeader` is looked into first. */
export function readKey(headers: IncomingHttpHeaders, keyHeader: string | undefined): string | undefined {
  const read = (name: string): string | undefined => {
    const value = headers[name]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  // Who says it in a header that is for the gateway alone may have something else in `authorization`.
  const meant = (keyHeader && read(keyHeader)) ?? read('x-litellm-api-key')
  if (meant !== undefined) return meant.replace(/^Bearer +/i, '')
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  if (bearer !== undefined) return bearer
  const key = sdkHeaders.map(read).find((value) => value !== undefined)
  if (key !== undefined) return key
  const protocols = headers['sec-websocket-protocol']?.split(',').map((protocol) => protocol.trim())
  return protocols?.find((protocol) => protocol.startsWith(keyProtocol))?.slice(keyProtocol.length)
}

function digest(key: string): string {
  return hash('sha256', key)
}

function refused(message: string): GatewayError {
  return new GatewayError('invalid_api_key', message)
}

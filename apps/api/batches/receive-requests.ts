import { hash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { PassThrough } from 'node:stream'
import { splitRequests } from '#libs/batches'
import { GatewayError } from '#libs/core'
import type { StoredBytes } from '#libs/files'
import type { ApiDeps } from '../deps.ts'
import { receiveBody } from '../receive-body.ts'
import { anthropicFormat } from './anthropic-format.ts'
import { toOneLine } from './line-json.ts'

/** What a body of requests came to: the input of a batch. */
export interface ReceivedRequests {
  stored: StoredBytes
  total: number
}

const aroundParams = 4_096

/**
 * Reads the body of a batch of Messages and stores its requests, a line each, as they come. Throws `invalid_request`
 * for the first that can't be one, and for a name that comes twice; then nothing is stored.
 */
export async function receiveRequests(
  { files, config }: ApiDeps,
  request: IncomingMessage,
  tenant: string,
): Promise<ReceivedRequests> {
  const { maxBytes, maxLines } = config.batches
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const body = new PassThrough()
  const names = new Set<string>()
  let total = 0

  async function* lines(): AsyncGenerator<Buffer> {
    const largest = config.server.bodyLimitBytes + aroundParams
    for await (const text of splitRequests(bounded(body, maxBytes), largest)) {
      const line = anthropicFormat.readLine(text, '')
      const at = `requests.${total}`
      if ('code' in line) throw refused(`${at}${line.param === null ? '' : `.${line.param}`}`, line.message)
      const name = hash('sha256', line.customId, 'base64').slice(0, 22)
      if (names.size === names.add(name).size) {
        throw refused(`${at}.custom_id`, `${line.customId} was used before; each custom_id is used once.`)
      }
      total += 1
      if (total > maxLines) throw refused('requests', `There are more than ${maxLines} requests.`)
      yield Buffer.from(`${toOneLine(text)}\n`)
    }
    if (total === 0) throw refused('requests', 'requests holds at least one request.')
  }

  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  const storing = files.store(tenant, lines())
  storing.catch((error: unknown) => failed.reject(error))
  try {
    await receiveBody(request, body, failed.promise)
    return { stored: await storing, total }
  } catch (error) {
    body.destroy(error instanceof Error ? error : undefined)
    await storing.then(
      ({ id }) => files.discard(tenant, id),
      () => undefined,
    )
    throw error
  }
}

async function* bounded(body: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const piece of body) {
    bytes += piece.length
    if (bytes > maxBytes) throw tooLarge(maxBytes)
    yield piece
  }
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError(
    'request_too_large',
    `The body is larger than the ${maxBytes} bytes that are taken.`,
  )
}

function refused(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', `${param}: ${message}`, { param })
}

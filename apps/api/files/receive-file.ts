import type { IncomingMessage } from 'node:http'
import { Busboy, type BusboyFileStream, type BusboyHeaders, type BusboyInstance } from '@fastify/busboy'
import { GatewayError } from '#libs/core'
import { receiveBody } from '../receive-body.ts'

/** What a form brought: the file, as whatever became of its bytes, and the other fields. */
export interface ReceivedForm<Stored> {
  file: { filename: string; stored: Stored }
  fields: ReadonlyMap<string, string>
}

export interface ReceiveOptions<Stored> {
  maxBytes: number
  /** Takes the file's bytes while they come. What it throws is the form's failure. */
  store: (body: AsyncIterable<Uint8Array>) => Promise<Stored>
  /** Undoes it, should the rest of the form not be right. */
  discard: (stored: Stored) => Promise<void>
}

/** What stands around the file: boundaries, headers, the other fields. */
const largestRest = 1024 * 1024
const limits = { files: 1, fields: 20, fieldNameSize: 200, fieldSize: 2_000, parts: 22, headerPairs: 50 }

/**
 * Reads a form with one `file` in it, of which no more than a piece is ever in memory. Throws `invalid_request` for
 * what is no such form, and `request_too_large`; then nothing of it is stored.
 */
export async function receiveFile<Stored>(
  request: IncomingMessage,
  options: ReceiveOptions<Stored>,
): Promise<ReceivedForm<Stored>> {
  const { maxBytes, store, discard } = options
  if (Number(request.headers['content-length'] ?? 0) > maxBytes + largestRest) throw tooLarge(maxBytes)
  const form = openForm(request, maxBytes)
  const fields = new Map<string, string>()
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => undefined)
  let file: { filename: string; stream: BusboyFileStream; storing: Promise<Stored> } | undefined

  form.on('error', (cause) => failed.reject(broken('it cannot be read', cause)))
  for (const limit of ['partsLimit', 'filesLimit', 'fieldsLimit'] as const) {
    form.on(limit, () => failed.reject(broken('it has more parts than a file needs')))
  }
  form.on('field', (name, value, isNameCut, isValueCut) => {
    if (isNameCut || isValueCut) failed.reject(broken(`its field ${name} is too long`))
    else if (fields.has(name)) failed.reject(broken(`it has the field ${name} twice`))
    else fields.set(name, value)
  })
  form.on('file', (name, stream, filename) => {
    stream.on('error', () => undefined)
    if (name !== 'file') return failed.reject(broken(`${name} is no file that is expected here`))
    stream.on('limit', () => failed.reject(tooLarge(maxBytes)))
    const storing = store(stream)
    storing.catch((error: unknown) => failed.reject(error))
    file = { filename: cleanName(filename), stream, storing }
  })
  try {
    await receiveBody(request, form, failed.promise)
    if (file === undefined) throw missingFile()
    const { filename, storing } = file
    return { file: { filename, stored: await storing }, fields }
  } catch (error) {
    // Who reads the file is told that it ends in the middle, and what was whole already is taken back.
    file?.stream.destroy(error instanceof Error ? error : undefined)
    await file?.storing.then(discard, () => undefined)
    throw error
  }
}

function openForm({ headers }: IncomingMessage, maxBytes: number): BusboyInstance {
  try {
    return new Busboy({ headers: headers as BusboyHeaders, limits: { ...limits, fileSize: maxBytes } })
  } catch (cause) {
    throw broken('its content type names no boundary', cause)
  }
}

/** The name is shown to people and sent in a header: no control characters, no path, and an end to it. */
function cleanName(name: string | undefined): string {
  const base = (name ?? '').split(/[/\\]/).at(-1) ?? ''
  // oxlint-disable-next-line no-control-regex -- control characters are what is to be taken out
  return base.replaceAll(/[\u0000-\u001f\u007f]/g, '').slice(0, 255) || 'file'
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError(
    'request_too_large',
    `The file is larger than the ${maxBytes} bytes that are taken.`,
    {
      param: 'file',
    },
  )
}

function missingFile(): GatewayError {
  return new GatewayError('invalid_request', 'The form has no field "file" with a file in it.', {
    param: 'file',
  })
}

function broken(what: string, cause?: unknown): GatewayError {
  return new GatewayError('invalid_request', `The form can't be taken: ${what}.`, { cause })
}

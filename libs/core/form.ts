import { GatewayError } from './errors.ts'
import type { Media } from './media.ts'

/*
 * As much of `multipart/form-data` (RFC 7578) as it takes to find a field. The bytes go on to the provider, whose
 * parser must see the same fields as this one: so what parsers are known to read in different ways is refused.
 */

/** One field. Its value lies from byte `start` to byte `end` of the form. */
export interface FormPart {
  name: string
  isFile: boolean
  start: number
  end: number
}

const mostParts = 256
const maxHeaderBytes = 16 * 1024
const lineBreak = '\r\n'
const headerEnd = '\r\n\r\n'

/** The fields of a form in their order. Throws `invalid_request` for what is none. */
export function parseForm(form: Media): FormPart[] {
  const { bytes } = form
  const delimiter = `--${readBoundary(form)}`
  const parts: FormPart[] = []
  if (bytes.indexOf(delimiter) !== 0) throw broken('it does not begin with its boundary')
  let at = delimiter.length
  for (;;) {
    const after = bytes.toString('latin1', at, at + 2)
    if (after === '--') return parts
    if (after !== lineBreak) throw broken('a boundary has no line of its own')
    if (parts.length === mostParts) throw broken(`it has more than ${mostParts} parts`)
    const start = endOfHeaders(bytes, at + 2)
    const next = bytes.indexOf(delimiter, at)
    if (next === -1) throw broken('it ends before its last boundary')
    const end = next - lineBreak.length
    if (end < start || bytes.toString('latin1', end, next) !== lineBreak) {
      throw broken('a boundary has no line of its own')
    }
    parts.push({ ...readHeaders(bytes.toString('utf8', at + 2, start - headerEnd.length)), start, end })
    at = next + delimiter.length
  }
}

/** The form with nothing of its boundary in it, which is a new one each time that a client sends the same. */
export function withoutBoundary(form: Media): string {
  return form.bytes.toString('latin1').replaceAll(readBoundary(form), '')
}

/** Any other parameter could hide a second boundary. */
function readBoundary({ type }: Media): string {
  const [, parameter = ''] = /^multipart\/form-data\s*;\s*boundary=(.*)$/i.exec(withoutCharset(type)) ?? []
  const [, quoted, bare] = /^(?:"([^"]{1,70})"|([^"\s]{1,70}))\s*$/.exec(parameter) ?? []
  const boundary = quoted ?? bare
  if (boundary === undefined || !/^[\w'()+,\-./:=? ]*[\w'()+,\-./:=?]$/.test(boundary)) {
    throw broken('its content-type tells no boundary, or more than that')
  }
  return boundary
}

/** Some clients tell one, and no parser heeds it. */
function withoutCharset(type: string): string {
  return type.replace(/;\s*charset=[\w-]+/i, '')
}

function endOfHeaders(bytes: Buffer, start: number): number {
  const length = bytes.subarray(start, start + maxHeaderBytes).indexOf(headerEnd)
  if (length === -1) throw broken('the headers of a part have no end, or are too large')
  return start + length + headerEnd.length
}

function readHeaders(headers: string): Pick<FormPart, 'name' | 'isFile'> {
  const lines = headers.split(lineBreak)
  if (lines.some((line) => /^[ \t]|[\r\n]/.test(line))) throw broken('a header goes on in a second line')
  const found = lines.filter((line) => /^content-disposition\s*:/i.test(line))
  const [, parameters] = /^[^:]*:\s*form-data((?:\s*;.*)?)$/i.exec(found[0] ?? '') ?? []
  const read = parameters === undefined || found.length > 1 ? undefined : readParameters(parameters)
  const name = read?.get('name')
  if (read === undefined || name === undefined) throw broken('a part does not tell its name')
  return { name, isFile: read.has('filename') || read.has('filename*') }
}

/** `undefined` if there is anything else, or a name twice. */
function readParameters(text: string): Map<string, string> | undefined {
  const parameters = new Map<string, string>()
  const parameter = /\s*;\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))/y
  while (parameter.lastIndex < text.trimEnd().length) {
    const [, key = '', quoted, bare = ''] = parameter.exec(text) ?? []
    const name = key.toLowerCase()
    if (name === '' || parameters.has(name)) return undefined
    parameters.set(name, quoted?.replaceAll(/\\(.)/g, '$1') ?? bare)
  }
  return parameters
}

function broken(reason: string): GatewayError {
  return new GatewayError('invalid_request', `The form in the body cannot be read: ${reason}.`)
}

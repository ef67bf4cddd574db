import { parseForm, type Media } from '#libs/core'
import { refuse } from '../request/checks.ts'

const fields = ['model', 'prompt', 'seconds', 'size']

/** A form of OpenAI's clients as the JSON that means the same; its image becomes a data URL. Throws `invalid_request`. */
export function videoFormToJson(form: Media): string {
  const request: Record<string, unknown> = {}
  for (const { name, isFile, start, end } of parseForm(form)) {
    const value = form.bytes.subarray(start, end)
    const [, field = name, member] = /^(input_reference)\[(\w+)\]$/.exec(name) ?? []
    if (Object.hasOwn(request, field) && member === undefined) refuse(name, `The form has '${name}' twice.`)
    if (name === 'input_reference' && isFile) request[name] = { image_url: toDataUrl(value) }
    else if (isFile) refuse(name, `The field '${name}' is not to be a file.`)
    else if (member === 'image_url' || member === 'file_id') request[field] = { [member]: value.toString() }
    else if (fields.includes(name)) request[name] = value.toString()
    else refuse(name, `The field '${name}' is not known here.`)
  }
  return JSON.stringify(request)
}

/** By its first bytes, since what a client says of it need not be so. */
function toDataUrl(image: Buffer): string {
  const start = image.toString('latin1', 0, 12)
  const kinds = { png: /^\u0089PNG\r\n/, jpeg: /^\u00ff\u00d8\u00ff/, webp: /^RIFF....WEBP/s }
  const kind = Object.entries(kinds).find(([, pattern]) => pattern.test(start))?.[0]
  if (kind === undefined) refuse('input_reference', 'The image is none of PNG, JPEG and WebP.')
  return `data:image/${kind};base64,${image.toString('base64')}`
}

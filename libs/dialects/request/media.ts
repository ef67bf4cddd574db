import type { MediaSource } from '#libs/core'
import { checkObject, refuse, refuseType } from './checks.ts'

/** Some servers take the URL itself where OpenAI wants it in an object, so both pass. */
export function checkMedia(value: unknown, param: string, kind: string): void {
  if (typeof value !== 'string') checkObject(value, param)
  const url = typeof value === 'string' ? value : value.url
  if (typeof url !== 'string') refuseType(`${param}.url`, 'a string', url)
  const start = url.slice(0, 16).toLowerCase()
  if (['https://', 'http://', `data:${kind}/`].every((prefix) => !start.startsWith(prefix))) {
    refuse(
      typeof value === 'string' ? param : `${param}.url`,
      `Invalid URL: expected one that starts with 'https://', 'http://' or 'data:${kind}/'.`,
    )
  }
}

/** A `data:` URL becomes its bytes, any other stays a reference. */
export function decodeMedia(
  media: string | { url: string },
  param: string,
): { source: MediaSource; mediaType?: string } {
  const url = typeof media === 'string' ? media : media.url
  if (!/^data:/i.test(url)) return { source: { url } }
  const comma = url.indexOf(',')
  const [mediaType = '', ...parameters] = url.slice('data:'.length, comma).split(';')
  if (comma === -1 || parameters.at(-1)?.toLowerCase() !== 'base64') {
    refuse(param, "Invalid data URL: expected 'data:<media type>;base64,<data>'.")
  }
  return { source: { data: url.slice(comma + 1) }, mediaType: mediaType.toLowerCase() }
}

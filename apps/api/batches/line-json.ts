import { isJsonObject, maxJsonDepth } from '#libs/core'

const deepestJson = 64
/** What may hold a key that is let in nowhere; escapes could hide one. */
const suspect = /"__proto__"|"constructor"|\\u00[2-7][0-9a-f]/i

/** Parses a line as a body is parsed; undefined for what is no JSON, or is none that a body could be. */
export function parseLine(text: string): unknown {
  if (maxJsonDepth(text, deepestJson) > deepestJson) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return suspect.test(text) && holdsPoison(value) ? undefined : value
  } catch {
    return undefined
  }
}

/** The same keys that the parser of HTTP bodies refuses. */
function holdsPoison(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(holdsPoison)
  if (!isJsonObject(value)) return false
  if (Object.hasOwn(value, '__proto__')) return true
  const { constructor } = value
  if (
    Object.hasOwn(value, 'constructor') &&
    isJsonObject(constructor) &&
    Object.hasOwn(constructor, 'prototype')
  )
    return true
  return Object.values(value).some(holdsPoison)
}

/** JSON text as one line: outside of strings a line break is as good as a blank, and in them there is none. */
export function toOneLine(json: string): string {
  return json.replaceAll(/[\r\n]+/g, ' ')
}

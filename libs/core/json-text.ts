/**
 * Tools for JSON as text. The native lane changes a field or two of what it passes on, and parsing and writing
 * the rest again would cost time and lose what JavaScript can't hold: the order of keys, `1.0`, 20-digit ids.
 *
 * One scanner serves all: strings are skipped with `indexOf`, so a megabyte of base64 costs what a memory search
 * does, and nothing recurses, so depth costs nothing.
 */

const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** A member of the outermost object. `json.slice(start, end)` is its value, `json.slice(keyStart, end)` all of it. */
export interface JsonField {
  name: string
  keyStart: number
  start: number
  end: number
}

/**
 * The members of the outermost object in their order, each time a name occurs, also when its key is escaped;
 * those in `names` only, if given. `undefined` if the text is no object or its brackets and quotes don't close:
 * whether all between them is valid stays unchecked.
 */
export function findTopLevelFields(json: string, names?: readonly string[]): JsonField[] | undefined {
  const fields: JsonField[] = []
  let at = skipSpace(json, 0)
  if (json.charCodeAt(at) !== openBrace) return undefined
  let depth = 1
  let keyStart = -1
  let keyEnd = -1
  let start = -1
  for (at += 1; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (code === quote) {
      const end = endOfString(json, at)
      if (end === -1) return undefined
      if (keyStart === -1) {
        keyStart = at
        keyEnd = end
      }
      at = end - 1
    } else if (code === openBrace || code === openBracket) {
      depth++
    } else if (code === closeBrace || code === closeBracket) {
      depth--
      if (depth > 0) continue
      addField()
      return code === closeBrace && skipSpace(json, at + 1) === json.length ? fields : undefined
    } else if (depth === 1 && code === comma) {
      addField()
    } else if (depth === 1 && code === colon && start === -1) {
      start = at + 1
    }
  }
  return undefined

  function addField(): void {
    if (start !== -1) {
      const name = readKey(json, keyStart, keyEnd)
      if (names === undefined || names.includes(name)) {
        fields.push({ name, keyStart, start: skipSpace(json, start), end: skipSpaceBack(json, at) })
      }
    }
    keyStart = -1
    start = -1
  }
}

/**
 * How many arrays and objects lie within each other at the deepest place; `limit + 1` as soon as it is more than
 * `limit`. Safe on text that nobody has checked.
 */
export function maxJsonDepth(json: string, limit = Number.POSITIVE_INFINITY): number {
  let depth = 0
  let deepest = 0
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at)
    if (code === quote) {
      const end = endOfString(json, at)
      if (end === -1) break
      at = end - 1
    } else if (code === openBrace || code === openBracket) {
      depth++
      if (depth > deepest) deepest = depth
      if (deepest > limit) break
    } else if (code === closeBrace || code === closeBracket) {
      depth--
    }
  }
  return deepest
}

/** The text with pieces replaced. Edits come in ascending order and don't overlap; `start === end` inserts. */
export function spliceText(
  text: string,
  edits: readonly { start: number; end: number; text: string }[],
): string {
  let result = ''
  let from = 0
  for (const edit of edits) {
    result += text.slice(from, edit.start) + edit.text
    from = edit.end
  }
  return result + text.slice(from)
}

/**
 * The object's text with members of these names: a value in place of each that is there, and those that are missing
 * in front; `undefined` if the text is no object.
 */
export function setTopLevelFields(
  json: string,
  values: Readonly<Record<string, unknown>>,
): string | undefined {
  const names = Object.keys(values)
  const fields = findTopLevelFields(json, names)
  if (fields === undefined) return undefined
  const missing = names.filter((name) => !fields.some((field) => field.name === name))
  const opening = json.indexOf('{') + 1
  const isEmpty = /^\s*}/.test(json.slice(opening))
  const added = missing.map((name) => `${JSON.stringify(name)}:${JSON.stringify(values[name])}`).join(',')
  return spliceText(json, [
    { start: opening, end: opening, text: added === '' || isEmpty ? added : `${added},` },
    ...fields.map(({ name, start, end }) => ({ start, end, text: JSON.stringify(values[name]) })),
  ])
}

/** The object's text without its members of these names, and without the space between the others. */
export function dropTopLevelFields(json: string, names: readonly string[]): string | undefined {
  const kept = findTopLevelFields(json)?.filter(({ name }) => !names.includes(name))
  return kept && `{${kept.map(({ keyStart, end }) => json.slice(keyStart, end)).join(',')}}`
}

/** The index after the closing quote, -1 if there is none. `at` is the opening quote. */
function endOfString(json: string, at: number): number {
  let end = json.indexOf('"', at + 1)
  while (end !== -1 && isEscaped(json, end)) end = json.indexOf('"', end + 1)
  return end === -1 ? -1 : end + 1
}

function isEscaped(json: string, at: number): boolean {
  let first = at
  while (json.charCodeAt(first - 1) === backslash) first--
  return (at - first) % 2 === 1
}

function readKey(json: string, start: number, end: number): string {
  const text = json.slice(start + 1, end - 1)
  if (!text.includes('\\')) return text
  try {
    return String(JSON.parse(`"${text}"`))
  } catch {
    return text
  }
}

function skipSpace(json: string, at: number): number {
  while (isSpace(json.charCodeAt(at))) at++
  return at
}

function skipSpaceBack(json: string, end: number): number {
  while (isSpace(json.charCodeAt(end - 1))) end--
  return end
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

/** Whether a parsed value is an object, and neither null nor an array. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

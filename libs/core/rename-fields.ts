import { findTopLevelFields } from './json-text.ts'

/**
 * A JSON object as text with members of its outermost level renamed, or left out where the new name is null. A
 * member whose new name is there already is left out too. All values stay as they were written.
 */
export function renameFields(json: string, names: Readonly<Record<string, string | null>>): string {
  const fields = findTopLevelFields(json)
  if (fields === undefined || !fields.some((field) => Object.hasOwn(names, field.name))) return json
  const taken = new Set(fields.map((field) => field.name))
  const members: string[] = []
  for (const field of fields) {
    const name = Object.hasOwn(names, field.name) ? names[field.name] : undefined
    if (name === undefined) members.push(json.slice(field.keyStart, field.end))
    else if (name !== null && !taken.has(name)) {
      members.push(`${JSON.stringify(name)}:${json.slice(field.start, field.end)}`)
    }
  }
  return `{${members.join(',')}}`
}

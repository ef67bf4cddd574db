import { findTopLevelFields } from './json-text.ts'

/** A JSON object as text, with those of these members in front that its outermost level lacks. */
export function addMissingFields(json: string, values: Readonly<Record<string, unknown>>): string {
  const missing = new Map(Object.entries(values))
  const fields = missing.size === 0 ? undefined : findTopLevelFields(json)
  for (const { name } of fields ?? []) missing.delete(name)
  if (fields === undefined || missing.size === 0) return json
  const members = Array.from(missing, ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  const at = json.indexOf('{') + 1
  return `${json.slice(0, at)}${members.join(',')}${fields.length === 0 ? '' : ','}${json.slice(at)}`
}

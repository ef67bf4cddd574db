import { findTopLevelFields, setTopLevelFields, spliceText } from '#libs/core'

/**
 * The JSON with a `cost` in the object at `path`, such as that of the usage; as it was if there is no such object. All
 * else stays as it is, to the byte.
 */
export function addCost(json: string, path: readonly string[], cost: number | null): string {
  const [name, ...rest] = path
  if (name === undefined) return setTopLevelFields(json, { cost }) ?? json
  const field = findTopLevelFields(json, [name])?.at(-1)
  if (field === undefined || json[field.start] !== '{') return json
  const { start, end } = field
  return spliceText(json, [{ start, end, text: addCost(json.slice(start, end), rest, cost) }])
}

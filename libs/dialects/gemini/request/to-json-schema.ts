import { isJsonObject } from '#libs/core'

type JsonObject = Record<string, unknown>

/** Counts that Google's JSON may write as text, since they are 64 bits wide. */
const counts = new Set(['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties'])
const schemas = new Set(['items', 'additionalProperties'])
const lists = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems'])
const maps = new Set(['properties', 'defs', '$defs'])
/** Words of Google's that JSON Schema doesn't have. */
const dropped = new Set(['nullable', 'propertyOrdering', 'example'])

/**
 * Google's `Schema`, a piece of OpenAPI 3.0 with types in capitals, as a JSON Schema. A JSON Schema in its place,
 * which many clients send, comes out as it went in.
 */
export function toJsonSchema(schema: JsonObject): JsonObject {
  const result: JsonObject = {}
  for (const [key, value] of Object.entries(schema)) {
    const name = key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    if (!dropped.has(name)) result[name] = convert(name, value)
  }
  if (result.type === 'type_unspecified') delete result.type
  return schema.nullable === true ? allowNull(result) : result
}

function convert(name: string, value: unknown): unknown {
  if (name === 'type' && typeof value === 'string') return value.toLowerCase()
  if (counts.has(name) && typeof value === 'string') return Number(value)
  if (schemas.has(name)) return isJsonObject(value) ? toJsonSchema(value) : value
  if (lists.has(name) && Array.isArray(value)) {
    return value.map((item: unknown) => (isJsonObject(item) ? toJsonSchema(item) : item))
  }
  if (maps.has(name) && isJsonObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, isJsonObject(item) ? toJsonSchema(item) : item]),
    )
  }
  return value
}

function allowNull(schema: JsonObject): JsonObject {
  if (typeof schema.type !== 'string') return { anyOf: [schema, { type: 'null' }] }
  const withType = { ...schema, type: [schema.type, 'null'] }
  return Array.isArray(schema.enum) ? { ...withType, enum: [...schema.enum, null] } : withType
}

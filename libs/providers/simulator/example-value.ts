/** A schema that grows without an end, through `$ref` or by many branches, is cut off here. */
const maxNodes = 2_000
const maxDepth = 40
/** Below this depth arrays stay empty and a null is taken where one may be, so that recursive schemas end. */
const optionalDepth = 4
const maxStringLength = 10_000

interface Walk {
  root: unknown
  nodesLeft: number
}

type Schema = Record<string, unknown>

/** A small value that the JSON Schema accepts; keywords such as `pattern` and `not` are not looked at. */
export function exampleValue(schema: unknown): unknown {
  return example(schema, 0, { root: schema, nodesLeft: maxNodes })
}

function example(schema: unknown, depth: number, walk: Walk): unknown {
  walk.nodesLeft -= 1
  if (walk.nodesLeft < 0 || depth > maxDepth) return null
  if (!isSchema(schema)) return 'lorem'
  if ('const' in schema) return schema.const
  if (Array.isArray(schema.enum) && schema.enum.length > 0) return schema.enum[0]
  if (typeof schema.$ref === 'string') return example(resolve(schema.$ref, walk.root), depth + 1, walk)
  if (Array.isArray(schema.allOf)) return example(mergeAll(schema, walk.root), depth + 1, walk)
  const options = schema.anyOf ?? schema.oneOf
  if (Array.isArray(options)) return example(pickOption(options, depth), depth + 1, walk)
  return exampleOfType(schema, depth, walk)
}

function exampleOfType(schema: Schema, depth: number, walk: Walk): unknown {
  switch (typeOf(schema, depth)) {
    case 'object':
      return exampleObject(schema, depth, walk)
    case 'array':
      return exampleArray(schema, depth, walk)
    case 'integer':
    case 'number':
      return exampleNumber(schema)
    case 'boolean':
      return true
    case 'null':
      return null
    default:
      return exampleString(schema)
  }
}

function typeOf(schema: Schema, depth: number): unknown {
  if (Array.isArray(schema.type)) {
    return depth > optionalDepth && schema.type.includes('null') ? 'null' : schema.type[0]
  }
  if (schema.type !== undefined) return schema.type
  if ('properties' in schema) return 'object'
  return 'items' in schema ? 'array' : 'string'
}

/** Only what is required, and everything where nothing is: an empty object would show a newcomer little. */
function exampleObject(schema: Schema, depth: number, walk: Walk): unknown {
  const properties = isSchema(schema.properties) ? schema.properties : {}
  const required = Array.isArray(schema.required) ? schema.required.map(String) : []
  const names = required.length > 0 || depth > optionalDepth ? required : Object.keys(properties)
  return Object.fromEntries(
    names.slice(0, maxNodes).map((name) => {
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined
      return [name, example(property, depth + 1, walk)]
    }),
  )
}

function exampleArray(schema: Schema, depth: number, walk: Walk): unknown[] {
  const prefix: unknown[] = Array.isArray(schema.prefixItems) ? schema.prefixItems : []
  const wanted = numberOr(schema.minItems, depth > optionalDepth ? 0 : 1)
  const length = Math.min(Math.max(wanted, prefix.length), numberOr(schema.maxItems, maxNodes), maxNodes)
  return Array.from({ length }, (_, index) => example(prefix[index] ?? schema.items, depth + 1, walk))
}

function exampleNumber(schema: Schema): number {
  const step = Math.abs(numberOr(schema.multipleOf, 1)) || 1
  const above = numberOr(schema.exclusiveMinimum, Number.NEGATIVE_INFINITY)
  const below = numberOr(schema.exclusiveMaximum, Number.POSITIVE_INFINITY)
  const minimum = Math.max(numberOr(schema.minimum, Number.NEGATIVE_INFINITY), above)
  const maximum = Math.min(numberOr(schema.maximum, Number.POSITIVE_INFINITY), below)
  let value = Math.min(Math.max(step, minimum), maximum)
  value = Math.ceil(value / step) * step
  if (value > maximum || value === below) value = Math.floor(maximum / step) * step
  if (value === above) value += step
  if (value === below) value -= step
  // No multiple fits between two near bounds such as 0 and 1 of a plain number.
  const fits = value > above && value < below && value >= minimum && value <= maximum
  return fits || schema.type === 'integer' ? value : (minimum + maximum) / 2
}

const formats: Record<string, string> = {
  'date-time': '2025-01-01T00:00:00Z',
  date: '2025-01-01',
  time: '00:00:00Z',
  duration: 'P1D',
  email: 'lorem@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/lorem',
  uuid: '00000000-0000-4000-8000-000000000000',
}

function exampleString(schema: Schema): string {
  const { format } = schema
  if (typeof format === 'string' && Object.hasOwn(formats, format)) return formats[format] ?? ''
  const minimum = Math.min(numberOr(schema.minLength, 0), maxStringLength)
  return 'lorem'.padEnd(minimum, ' ipsum').slice(0, numberOr(schema.maxLength, maxStringLength))
}

function pickOption(options: unknown[], depth: number): unknown {
  const none = options.find((option) => isSchema(option) && option.type === 'null')
  return depth > optionalDepth && none !== undefined ? none : options[0]
}

/** Enough of `allOf` for how it is used: parts of one object, some of them by reference. */
function mergeAll(schema: Schema, root: unknown): Schema {
  const { allOf, ...rest } = schema
  const parts = (Array.isArray(allOf) ? allOf : []).map((part: unknown) =>
    isSchema(part) && typeof part.$ref === 'string' ? resolve(part.$ref, root) : part,
  )
  const schemas = [...parts, rest].filter(isSchema)
  const properties = Object.assign({}, ...schemas.map((part) => part.properties))
  const required = schemas.flatMap((part) => (Array.isArray(part.required) ? part.required : []))
  return { ...Object.assign({}, ...schemas), properties, required: [...new Set(required)] }
}

/** Follows `#/$defs/node`; what leads nowhere accepts anything. */
function resolve(reference: string, root: unknown): unknown {
  if (!reference.startsWith('#')) return true
  const names = reference.slice(1).split('/').slice(1)
  return names.reduce<unknown>((place, name) => {
    const key = name.replaceAll('~1', '/').replaceAll('~0', '~')
    return isSchema(place) && Object.hasOwn(place, key) ? place[key] : true
  }, root)
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : fallback
}

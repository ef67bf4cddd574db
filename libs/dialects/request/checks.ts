import { GatewayError, isJsonObject } from '#libs/core'

type JsonObject = Record<string, unknown>

/** Refuses the request because of the field `param`, or for the whole of it where that is empty. */
export function refuse(param: string, message: string): never {
  throw new GatewayError('invalid_request', message, param === '' ? {} : { param })
}

export function refuseType(param: string, expected: string, value: unknown): never {
  refuse(param, `Invalid type for '${param}': expected ${expected}, but got ${nameType(value)} instead.`)
}

/** A provider counts tokens in 32 bits at most; what is more is a mistake. */
export const mostTokens = 2 ** 31 - 1

/** Refuses a body that is no object, and is left with one. */
export function checkBody(body: unknown): asserts body is JsonObject {
  if (!isJsonObject(body)) {
    throw new GatewayError('invalid_request', 'The request body must be a JSON object.')
  }
}

/** Null is as good as absent in all optional fields, as with OpenAI. */
export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null
}

export function checkBoolean(body: JsonObject, name: string): void {
  const value = body[name]
  if (!isAbsent(value) && typeof value !== 'boolean') refuseType(name, 'a boolean', value)
}

export function checkString(body: JsonObject, name: string): void {
  const value = body[name]
  if (!isAbsent(value) && typeof value !== 'string') refuseType(name, 'a string', value)
}

export function checkNumber(
  body: JsonObject,
  name: string,
  range: { min: number; max: number; isInteger?: boolean },
): void {
  const value = body[name]
  if (isAbsent(value)) return
  const isNumber = typeof value === 'number' && (range.isInteger !== true || Number.isInteger(value))
  if (!isNumber) refuseType(name, range.isInteger === true ? 'an integer' : 'a number', value)
  if (!(value >= range.min && value <= range.max)) {
    refuse(name, `Invalid value for '${name}': expected between ${range.min} and ${range.max}, got ${value}.`)
  }
}

/** A name that goes into headers, logs and keys of ours: no control characters, and not endless. */
export function checkName(value: unknown, param: string): asserts value is string {
  if (typeof value !== 'string') refuseType(param, 'a string', value)
  if (value === '') refuse(param, `Invalid '${param}': expected a name, but got an empty string.`)
  if (value.length > 256)
    refuse(param, `Invalid '${param}': expected at most 256 characters, got ${value.length}.`)
  if (/\p{Cc}/u.test(value)) refuse(param, `Invalid '${param}': control characters are not allowed.`)
}

export function checkObject(value: unknown, param: string): asserts value is JsonObject {
  if (!isJsonObject(value)) refuseType(param, 'an object', value)
}

export function checkArray(value: unknown, param: string): asserts value is unknown[] {
  if (!Array.isArray(value)) refuseType(param, 'an array', value)
}

/** Refuses a `role` of a message that is none of `roles`. */
export function checkRole(role: unknown, roles: readonly string[], param: string): void {
  if (typeof role !== 'string') refuseType(`${param}.role`, 'a string', role)
  if (roles.includes(role)) return
  const allowed = roles.map((name) => `'${name}'`).join(', ')
  refuse(`${param}.role`, `Invalid value: '${role.slice(0, 64)}'. Supported values are: ${allowed}.`)
}

/** A text, or an array of parts, each of which has a type; what else it must have is `checkPart`'s to say. */
export function checkContent(
  content: unknown,
  param: string,
  checkPart: (part: JsonObject, type: string, param: string) => void,
): void {
  if (typeof content === 'string') return
  if (!Array.isArray(content)) refuseType(param, 'a string or an array of parts', content)
  for (const [index, part] of content.entries()) {
    const at = `${param}[${index}]`
    checkObject(part, at)
    if (typeof part.type !== 'string') refuseType(`${at}.type`, 'a string', part.type)
    checkPart(part, part.type, at)
  }
}

/** A JSON Schema that a provider's parser and ours can take. */
export function checkSchema(value: unknown, param: string): asserts value is JsonObject | null | undefined {
  if (isAbsent(value)) return
  checkObject(value, param)
  if (isDeeperThan(value, maxSchemaDepth)) {
    refuse(param, `Invalid '${param}': a schema may be nested ${maxSchemaDepth} levels deep at most.`)
  }
}

const maxSchemaDepth = 64

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return levels === 0 || Object.values(value).some((inner) => isDeeperThan(inner, levels - 1))
}

function nameType(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object') return 'an object'
  return `a ${typeof value}`
}

/** Refuses an object without the text `name`. */
export function checkText(object: JsonObject, name: string, param: string): void {
  if (typeof object[name] !== 'string') refuseType(`${param}.${name}`, 'a string', object[name])
}

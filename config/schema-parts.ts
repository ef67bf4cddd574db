import { z } from 'zod'

/** What the sections of a file are made of: names turned to camelCase, numbers and booleans that may be texts. */

type CamelCase<Text extends string> = Text extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Text
type CamelKeys<T> = { [Key in keyof T as CamelCase<Key & string>]: T[Key] }

function camelKeys<T extends object>(settings: T): CamelKeys<T> {
  const renamed = Object.entries(settings).map(([key, value]) => {
    return [key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()), value]
  })
  return Object.fromEntries(renamed) as CamelKeys<T>
}

export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape).transform((settings) => camelKeys(settings))
}

/** Texts are taken too, since a variable's value is one. */
export function number(minimum: number, maximum: number) {
  return z.preprocess(
    (value) => (isNumeric(value) ? Number(value) : value),
    z.int().min(minimum).max(maximum),
  )
}

function isNumeric(value: unknown): boolean {
  return typeof value === 'string' && /^\d{1,15}$/.test(value)
}

export const boolean = z.preprocess(
  (value) => (value === 'true' ? true : value === 'false' ? false : value),
  z.boolean(),
)

export const text = z.string().min(1)
export const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must be 1 to 63 of a-z, 0-9, _ and -, and not start with _ or -')
export const label = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w.-]{0,62}$/,
    'must be 1 to 63 letters, digits, ., _ and -, and start with a letter or digit',
  )
/** What a header can carry. */
export const token = {
  pattern: /^[\x21-\x7E]+$/,
  problem: 'must be printable ASCII without spaces or line breaks',
}
export const headerName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,99}$/, 'must be the name of a header: letters, digits and -')
  .transform((name) => name.toLowerCase())
export const secret = z.string().regex(token.pattern, token.problem)
export const modelName = z
  .string()
  .regex(/^(?! )[^\p{Cc}]{1,200}(?<! )$/u, 'must be 1 to 200 characters, with no space at either end')

/** What Node's timers can count. */
export const longestMs = 2_147_483_647
export const milliseconds = number(1, longestMs)
export const weight = number(0, 1_000_000).default(1)
export const onDisconnect = z.enum(['continue', 'cancel'])

/** Without a slash at its end. */
export const httpUrl = z
  .string()
  .refine(isPlainHttpUrl, 'must be an http:// or https:// address without user, password, query and fragment')
  .transform((url) => url.replace(/\/+$/, ''))

function isPlainHttpUrl(value: string): boolean {
  const url = URL.parse(value)
  return url !== null && /^https?:$/.test(url.protocol) && !/[@?#]/.test(value)
}

import type { z } from 'zod'
import { checkBody, refuse } from './checks.ts'

/** Reads a body by its schema. Throws `invalid_request` for the first thing that can't be meant, with its path as `param`. */
export function parseBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  checkBody(body)
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const param = (issue?.path ?? []).reduce<string>(
    (path, key) => (typeof key === 'number' ? `${path}[${key}]` : `${path}${path && '.'}${String(key)}`),
    '',
  )
  const reason = issue?.message ?? 'it cannot be read'
  refuse(
    param,
    param === '' ? `The request body can't be read: ${reason}.` : `Invalid '${param}': ${reason}.`,
  )
}

import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '#libs/core'
import { lanes } from '#libs/runs'
import { z } from 'zod'

/** What a message can say in place of the headers of an HTTP request. */
export const runOptions = {
  idempotency_key: z.string().min(1).max(255).optional(),
  priority: z.enum(lanes).optional(),
  on_disconnect: z.enum(['continue', 'cancel']).optional(),
  deadline_ms: z.int().min(1).optional(),
  no_fallbacks: z.boolean().optional(),
}

export type RunOptions = z.output<z.ZodObject<typeof runOptions>>

const headerOf: Readonly<Record<keyof RunOptions, string>> = {
  idempotency_key: 'idempotency-key',
  priority: 'x-millrace-priority',
  on_disconnect: 'x-millrace-on-disconnect',
  deadline_ms: 'x-millrace-deadline-ms',
  no_fallbacks: 'x-millrace-no-fallbacks',
}

/** The options as the headers that they stand for, over what the request that opened the connection had of them. */
export function toHeaders(connection: IncomingHttpHeaders, options: RunOptions = {}): IncomingHttpHeaders {
  const headers = { ...connection }
  for (const [option, name] of Object.entries(headerOf)) {
    const value = options[option as keyof RunOptions]
    if (value !== undefined) headers[name] = String(value)
  }
  return headers
}

/** Keeps of a request's headers what all runs of its connection take from there. */
export function keepHeaders(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-millrace-')))
}

/** The name that a client gives to what it asks for. */
export const nameOfRequest = z.string().min(1).max(128)
/** The number of the last frame that a client has; -1 for none. */
export const cursor = z.int().min(-1).max(999_999_999)

/** Gives the message in its shape. Throws `invalid_request` with what is wrong where. */
export function readMessage<Schema extends z.ZodType>(schema: Schema, message: unknown): z.output<Schema> {
  const result = schema.safeParse(message)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const param = issue?.path.join('.') ?? ''
  const where = param === '' ? '' : `${param}: `
  throw new GatewayError('invalid_request', `${where}${issue?.message ?? 'The message is not valid.'}`, {
    ...(param !== '' && { param }),
  })
}

import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError, isJsonObject, renameFields } from '#libs/core'
import type { Router } from '#libs/routing'
import type { RunSpec } from '#libs/runs'

/** A request without what it says to the gateway alone. */
export interface PlainRequest {
  body: unknown
  json: string
  /** The models to ask instead, as the body has it. */
  fallbacks: unknown
}

/** Takes `fallbacks` out of a JSON body: no provider knows the word. */
export function takeFallbacks(body: unknown, json: string): PlainRequest {
  if (!isJsonObject(body) || !('fallbacks' in body)) return { body, json, fallbacks: undefined }
  const { fallbacks, ...rest } = body
  return { body: rest, json: renameFields(json, { fallbacks: null }), fallbacks }
}

const mostFallbacks = 5
const longestDeadlineMs = 24 * 60 * 60 * 1000

/** The models that a request wants to be asked instead; a header goes before the body. */
export function readFallbacks(
  router: Router,
  headers: IncomingHttpHeaders,
  inBody: unknown,
): Pick<RunSpec, 'fallbacks'> {
  if (readFlag(headers, 'x-millrace-no-fallbacks')) return { fallbacks: [] }
  const header = headers['x-millrace-fallbacks']
  const param = header === undefined ? 'fallbacks' : 'x-millrace-fallbacks'
  const told =
    header === undefined
      ? inBody
      : String(header)
          .split(',')
          .map((name) => name.trim())
  if (told === undefined || told === null) return {}
  const isList = Array.isArray(told) && told.length <= mostFallbacks
  if (!isList || !told.every((name) => typeof name === 'string' && name !== '')) {
    throw new GatewayError(
      'invalid_request',
      `${param} is a list of at most ${mostFallbacks} names of models.`,
      {
        param,
      },
    )
  }
  const fallbacks: string[] = told
  for (const name of fallbacks) checkModel(router, name, param)
  return { fallbacks }
}

function checkModel(router: Router, name: string, param: string): void {
  try {
    router.candidates(name)
  } catch (error) {
    throw GatewayError.fromJSON({ ...GatewayError.from(error).toJSON(), param })
  }
}

/** How long a run may take in all; `configured` where its request does not say. */
export function readDeadline(
  headers: IncomingHttpHeaders,
  configured: number | undefined,
): Pick<RunSpec, 'deadlineMs'> {
  const param = 'x-millrace-deadline-ms'
  const header = headers[param]
  if (header === undefined) return configured === undefined ? {} : { deadlineMs: configured }
  const deadlineMs = /^\d{1,8}$/.test(String(header)) ? Number(header) : 0
  if (deadlineMs > 0 && deadlineMs <= longestDeadlineMs) return { deadlineMs }
  throw new GatewayError(
    'invalid_request',
    `${param} is a number of milliseconds from 1 to ${longestDeadlineMs}.`,
    {
      param,
    },
  )
}

function readFlag(headers: IncomingHttpHeaders, name: string): boolean {
  const value = headers[name]
  if (value === undefined || value === 'false') return false
  if (value === 'true') return true
  throw new GatewayError('invalid_request', `${name} is true or false.`, { param: name })
}

import { GatewayError, isJsonObject } from '#libs/core'
import { jobStatus, jobStatuses, type JobStatus } from './job-resource.ts'
import type { RunSearch } from './list-runs.ts'

type Fields = Readonly<Record<string, unknown>>
type Filter = Pick<RunSearch, 'keep' | 'createdFromMs' | 'createdBeforeMs'>

/** What lists of jobs can be filtered by. */
export const filterNames = ['status', 'model', 'endpoint', 'metadata', 'created_after', 'created_before']

/** A query in the shape that a JSON body has: `metadata[key]=value` as a member of `metadata`. */
export function toFilterFields(query: Fields): Fields {
  const pairs = Object.entries(query).flatMap(([name, value]) => {
    const key = /^metadata\[(.*)\]$/s.exec(name)?.[1]
    return key === undefined ? [] : [[key, value] as const]
  })
  return pairs.length === 0 ? query : { ...query, metadata: Object.fromEntries(pairs) }
}

/**
 * Reads the filters among these fields, `statuses` being those that may be asked for. Throws `invalid_request` naming
 * the one that is wrong.
 */
export function readRunFilter(fields: Fields, statuses: readonly JobStatus[] = jobStatuses): Filter {
  const { status } = fields
  const model = readText(fields, 'model')
  const endpoint = readText(fields, 'endpoint')
  const metadata = readPairs(fields.metadata)
  if (status !== undefined && !statuses.some((known) => known === status)) {
    throw refused('status', `status is one of ${statuses.join(', ')}.`)
  }
  const isOfAll = status === undefined && model === undefined && endpoint === undefined
  return {
    createdFromMs: readTimeMs(fields, 'created_after'),
    createdBeforeMs: readTimeMs(fields, 'created_before'),
    ...(!(isOfAll && metadata.length === 0) && {
      keep: (run) =>
        (status === undefined || jobStatus(run) === status) &&
        (model === undefined || run.spec.model === model) &&
        (endpoint === undefined || run.spec.endpoint === endpoint) &&
        metadata.every(
          ([key, value]) => Object.hasOwn(run.spec.metadata, key) && run.spec.metadata[key] === value,
        ),
    }),
  }
}

function readText(fields: Fields, name: string): string | undefined {
  const value = fields[name]
  if (value === undefined || (typeof value === 'string' && value !== '')) return value
  throw refused(name, `${name} is one text that is not empty.`)
}

function readPairs(metadata: unknown): [string, unknown][] {
  if (metadata === undefined || metadata === null) return []
  const pairs = isJsonObject(metadata) ? Object.entries(metadata) : undefined
  if (pairs?.every(([, value]) => typeof value === 'string') === true) return pairs
  throw refused('metadata', 'metadata is pairs of texts: metadata[key]=value.')
}

function readTimeMs(fields: Fields, name: string): number | undefined {
  const value = fields[name]
  if (value === undefined) return undefined
  if ((typeof value === 'string' || typeof value === 'number') && /^\d{1,11}$/.test(String(value))) {
    return Number(value) * 1000
  }
  throw refused(name, `${name} is a time in whole seconds since 1970.`)
}

function refused(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, { param })
}

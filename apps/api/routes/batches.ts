import type { FastifyInstance, FastifyRequest } from 'fastify'
import { hasEnded, initialState, type BatchSpec } from '#libs/batches'
import { createResourceId, GatewayError, isJsonObject } from '#libs/core'
import { readMetadata } from '#libs/dialects'
import { toBatchObject } from '../batches/batch-object.ts'
import { batchEndpoints } from '../batches/endpoints.ts'
import { findBatch, pickForwarded } from '../batches/find-batch.ts'
import { openaiFormat } from '../batches/openai-format.ts'
import type { ApiDeps } from '../deps.ts'
import { readExpiresAfterMs } from '../files/file-object.ts'
import { readResourceQuery, toResourcePage } from '../resource-list.ts'
import { refuseWhenDraining } from '../submit.ts'

const path = '/batches'

interface ById {
  Params: { id: string }
}

/** OpenAI's Batches: the lines of a file, each of which becomes a run in the batch lane. */
export function batches(app: FastifyInstance, deps: ApiDeps): void {
  app.post(path, async (request) => {
    const spec = await readSpec(deps, request)
    const state = initialState()
    await deps.batches.create(spec, state)
    return toBatchObject({ spec, state, cancelAtMs: undefined })
  })

  app.get<{ Querystring: Record<string, unknown> }>(path, async ({ query, caller }) => {
    const limits = { defaultLimit: 20, mostItems: 100 }
    const page = await deps.batches.list(caller.tenant, {
      ...readResourceQuery('batch_', query, limits),
      idPrefix: 'batch_',
    })
    return { object: 'list', ...toResourcePage(page, toBatchObject) }
  })

  app.get<ById>(`${path}/:id`, async ({ params, caller }) => {
    return toBatchObject(await findBatch(deps, 'batch_', caller.tenant, params.id))
  })

  app.post<ById>(`${path}/:id/cancel`, async ({ params, caller }) => {
    const { spec, state } = await findBatch(deps, 'batch_', caller.tenant, params.id)
    if (!hasEnded(state)) await deps.batches.cancel(spec)
    return toBatchObject(await findBatch(deps, 'batch_', caller.tenant, params.id))
  })
}

async function readSpec(deps: ApiDeps, { body, caller, headers }: FastifyRequest): Promise<BatchSpec> {
  refuseWhenDraining(deps)
  deps.admission.check()
  if (!isJsonObject(body)) throw refused('', 'The request body must be a JSON object.')
  const { endpoint, input_file_id: inputId, completion_window: completionWindow, metadata } = body
  const dialect = typeof endpoint === 'string' ? batchEndpoints.get(endpoint) : undefined
  if (typeof endpoint !== 'string' || dialect === undefined) {
    throw refused('endpoint', `endpoint is one of ${[...batchEndpoints.keys()].join(', ')}.`)
  }
  const windowMs = readWindowMs(completionWindow)
  const expiresAfter = body.output_expires_after
  if (expiresAfter !== undefined && !isJsonObject(expiresAfter)) {
    throw refused('output_expires_after', 'output_expires_after is an object of anchor and seconds.')
  }
  const outputLifeMs = readExpiresAfterMs(expiresAfter?.anchor, expiresAfter?.seconds, 'output_expires_after')
  const createdAtMs = Date.now()
  return {
    id: createResourceId('batch_'),
    tenant: caller.tenant,
    ...(caller.keyName !== undefined && { keyName: caller.keyName }),
    format: openaiFormat.name,
    endpoint,
    input: await findInput(deps, caller.tenant, inputId),
    completionWindow: String(completionWindow),
    metadata: metadata === undefined || metadata === null ? null : readMetadata(metadata),
    ...(outputLifeMs !== undefined && { outputLifeMs }),
    headers: pickForwarded(headers, dialect.forwardedHeaders),
    createdAtMs,
    expiresAtMs: createdAtMs + windowMs,
  }
}

async function findInput(deps: ApiDeps, tenant: string, id: unknown): Promise<BatchSpec['input']> {
  const param = 'input_file_id'
  if (typeof id !== 'string') throw refused(param, `${param} is the id of a file that was uploaded.`)
  const file = await deps.files.get(tenant, id)
  if (file === undefined) throw refused(param, `There is no file ${id.slice(0, 100)}.`)
  if (file.purpose !== 'batch') throw refused(param, 'The file was not uploaded with the purpose "batch".')
  const { maxBytes } = deps.config.batches
  if (file.bytes > maxBytes) {
    throw refused(param, `The file has more than the ${maxBytes} bytes that a batch may have.`)
  }
  return { id: file.id, bytes: file.bytes }
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const longestWindowMs = 30 * 86_400_000

/** `24h` as OpenAI has it, and any other time up to a month. */
function readWindowMs(completionWindow: unknown): number {
  const [, count, unit = ''] = /^(\d{1,7})([smhd])$/.exec(String(completionWindow)) ?? []
  const windowMs = Number(count) * (unitMs[unit] ?? Number.NaN)
  if (windowMs >= 1_000 && windowMs <= longestWindowMs) return windowMs
  throw refused('completion_window', 'completion_window is a time such as "24h", of 1s to 30d.')
}

function refused(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, param === '' ? {} : { param })
}

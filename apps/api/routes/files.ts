import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '#libs/core'
import type { FileRecord, StoredBytes } from '#libs/files'
import type { ApiDeps } from '../deps.ts'
import { fileNotFound, readExpiresAfterMs, toFileObject, uploadPurposes } from '../files/file-object.ts'
import { receiveFile, type ReceivedForm } from '../files/receive-file.ts'
import { sendContent } from '../files/send-content.ts'
import { readResourceQuery, toResourcePage } from '../resource-list.ts'
import { refuseWhenDraining } from '../submit.ts'
import { takeBodiesUnread } from '../unread-bodies.ts'

const path = '/files'
/** As OpenAI has it, the input of a batch is kept for a month and all else until it is deleted. */
const batchInputLifeMs = 30 * 24 * 60 * 60 * 1000

interface ById {
  Params: { id: string }
}

/** OpenAI's Files: kept in the object store, of any size, each its tenant's alone. */
export function files(app: FastifyInstance, deps: ApiDeps): void {
  app.register(async (scope) => {
    takeBodiesUnread(scope, 'multipart/form-data')
    scope.post(path, async (request) => toFileObject(await create(deps, request)))
  })

  app.get<{ Querystring: Record<string, unknown> }>(path, async ({ query, caller }) => {
    const { purpose } = query
    if (purpose !== undefined && typeof purpose !== 'string') {
      throw new GatewayError('invalid_request', 'purpose is one word.', { param: 'purpose' })
    }
    const keep = (file: FileRecord): boolean => purpose === undefined || file.purpose === purpose
    const limits = { defaultLimit: 10_000, mostItems: 10_000 }
    const page = await deps.files.list(caller.tenant, { ...readResourceQuery('file-', query, limits), keep })
    return { object: 'list', ...toResourcePage(page, (file) => toFileObject(file) as { id: string }) }
  })

  app.get<ById>(`${path}/:id`, async ({ params, caller }) => {
    return toFileObject(await find(deps, caller.tenant, params.id))
  })

  app.get<ById>(`${path}/:id/content`, async ({ params, caller }, reply) => {
    const { tenant } = caller
    const file = await find(deps, tenant, params.id)
    const read = (range: { start: number; end: number }) => deps.files.read(tenant, file.id, range)
    return sendContent(reply, { ...file, type: 'application/octet-stream', read })
  })

  app.delete<ById>(`${path}/:id`, async ({ params, caller }) => {
    const { id } = await find(deps, caller.tenant, params.id)
    await deps.files.delete(caller.tenant, id)
    return { id, object: 'file', deleted: true }
  })
}

async function find(deps: ApiDeps, tenant: string, id: string): Promise<FileRecord> {
  const file = await deps.files.get(tenant, id)
  if (file === undefined) throw fileNotFound(id)
  return file
}

async function create(deps: ApiDeps, { raw, caller: { tenant } }: FastifyRequest): Promise<FileRecord> {
  refuseWhenDraining(deps)
  const discard = ({ id }: StoredBytes): Promise<void> => deps.files.discard(tenant, id)
  const form = await receiveFile(raw, {
    maxBytes: deps.config.files.maxBytes,
    store: (body) => deps.files.store(tenant, body),
    discard,
  })
  const { filename, stored } = form.file
  try {
    const record: FileRecord = { ...stored, filename, ...readFields(form) }
    await deps.files.register(tenant, record)
    return record
  } catch (error) {
    await discard(stored)
    throw error
  }
}

function readFields({
  file,
  fields,
}: ReceivedForm<StoredBytes>): Pick<FileRecord, 'purpose' | 'createdAtMs' | 'expiresAtMs'> {
  const purpose = fields.get('purpose') ?? ''
  if (!uploadPurposes.includes(purpose)) {
    throw new GatewayError('invalid_request', `purpose is one of ${uploadPurposes.join(', ')}.`, {
      param: 'purpose',
    })
  }
  if (file.stored.bytes === 0) {
    throw new GatewayError('invalid_request', 'The file is empty.', { param: 'file' })
  }
  const createdAtMs = Date.now()
  const lifeMs =
    readExpiresAfterMs(fields.get('expires_after[anchor]'), fields.get('expires_after[seconds]')) ??
    (purpose === 'batch' ? batchInputLifeMs : undefined)
  return { purpose, createdAtMs, ...(lifeMs !== undefined && { expiresAtMs: createdAtMs + lifeMs }) }
}

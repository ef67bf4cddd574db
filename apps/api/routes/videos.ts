import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '#libs/core'
import { openaiVideos, videoFormToJson, type VideoAsset } from '#libs/dialects'
import { isEnded } from '#libs/runs'
import { cancelRun } from '../cancel-run.ts'
import { prepareRun } from '../create-run.ts'
import { deleteRun } from '../delete-run.ts'
import type { ApiDeps } from '../deps.ts'
import { sendContent } from '../files/send-content.ts'
import { findRun, readAnswer, readBody, type FoundRun } from '../find-run.ts'
import { readListQuery } from '../list-query.ts'
import { listRuns } from '../list-runs.ts'
import { tellRun } from '../response-headers.ts'
import { accept } from '../submit.ts'
import { toVideoObject } from '../video-object.ts'

const path = '/videos'
const variants = ['video', 'thumbnail', 'spritesheet']
/** What OpenAI makes of a video that it has made itself: no other provider can, and none knows the videos of another. */
const notThere = [`${path}/:id/remix`, `${path}/edits`, `${path}/extensions`, `${path}/characters`]

interface ById {
  Params: { id: string }
  Querystring: Record<string, unknown>
}

/** OpenAI's videos: each is a run that goes on by itself, and its content is kept. */
export function videos(app: FastifyInstance, deps: ApiDeps): void {
  const config = { dialect: openaiVideos }

  app.register(async (scope) => {
    takeForms(scope)
    scope.post(path, { config }, (request, reply) => create(deps, request, reply))
  })

  app.get<ById>(path, async ({ query, caller }) => {
    const page = await listRuns(deps, caller.tenant, {
      ...readListQuery({ order: 'desc', ...query }),
      stored: false,
      keep: ({ spec }) => spec.dialect === openaiVideos.name,
    })
    const data = await Promise.all(page.found.map((found) => tell(deps, found)))
    return {
      object: 'list',
      data,
      first_id: page.found[0]?.run.spec.rid ?? null,
      last_id: page.lastId,
      has_more: page.hasMore,
    }
  })

  app.get<ById>(`${path}/:id`, async ({ params, caller }, reply) => {
    const found = await find(deps, params.id, caller.tenant)
    tellRun(reply, found.run.spec, found.run.end)
    return tell(deps, found)
  })

  app.get<ById>(`${path}/:id/content`, async ({ params, query, caller }, reply) => {
    const found = await find(deps, params.id, caller.tenant)
    return sendAsset(deps, found, query.variant ?? 'video', reply)
  })

  app.post<ById>(`${path}/:id/cancel`, async ({ params, caller }) => {
    const { run } = await find(deps, params.id, caller.tenant)
    if (!isEnded(run)) await cancelRun(deps, run.spec)
    return tell(deps, await find(deps, params.id, caller.tenant))
  })

  app.delete<ById>(`${path}/:id`, async ({ params, caller }) => {
    const { run } = await find(deps, params.id, caller.tenant)
    await deleteRun(deps, run.spec.rid, caller.tenant)
    return { id: run.spec.rid, object: 'video.deleted', deleted: true }
  })

  app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    for (const url of notThere) {
      scope.post(url, async () => {
        throw new GatewayError('invalid_request', 'This gateway creates videos, and does not change them.')
      })
    }
  })
}

/** Takes a form beside JSON in this scope, and goes on with the JSON that means the same. */
function takeForms(scope: FastifyInstance): void {
  scope.addContentTypeParser('multipart/form-data', { parseAs: 'buffer' }, (request, bytes: Buffer, done) => {
    if (request.headers['content-encoding'] !== undefined) {
      return done(new GatewayError('unsupported_media_type', 'Send the body without a content-encoding.'))
    }
    try {
      request.bodyText = videoFormToJson({ type: request.headers['content-type'] ?? '', bytes })
      done(null, JSON.parse(request.bodyText))
    } catch (error) {
      done(GatewayError.from(error))
    }
  })
}

async function create(deps: ApiDeps, request: FastifyRequest, reply: FastifyReply): Promise<object> {
  const prepared = await prepareRun(deps, openaiVideos, request)
  const { spec } = prepared
  const rid = await accept(deps, prepared, '')
  if (rid !== spec.rid) reply.header('idempotent-replayed', 'true')
  const found = await find(deps, rid, spec.tenant)
  tellRun(reply, found.run.spec, found.run.end)
  return tell(deps, found)
}

async function find(deps: ApiDeps, id: string, tenant: string): Promise<FoundRun> {
  const found = await findRun(deps, id, tenant)
  if (found.run.spec.dialect === openaiVideos.name) return found
  throw new GatewayError(
    'response_not_found',
    'There is no such video. It may have been deleted, or never was.',
  )
}

async function tell(deps: ApiDeps, found: FoundRun): Promise<object> {
  if (found.run.end?.outcome === 'completed') return JSON.parse(await readAnswer(deps, found)) as object
  return toVideoObject(found.run, await readBody(deps, found))
}

async function sendAsset(
  deps: ApiDeps,
  found: FoundRun,
  variant: unknown,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (!variants.some((known) => known === variant)) {
    throw new GatewayError('invalid_request', `variant is one of ${variants.join(', ')}.`, {
      param: 'variant',
    })
  }
  const { run } = found
  const { rid, tenant } = run.spec
  if (!isEnded(run)) {
    throw new GatewayError('not_ended', 'The video is not done yet: there is nothing to read.', {
      retryAfterMs: 1_000,
    })
  }
  const { assets } = (await tell(deps, found)) as { assets: VideoAsset[] }
  const asset = assets.find((each) => each.variant === variant)
  if (asset === undefined) {
    throw new GatewayError('response_not_found', `This video has no ${String(variant)}.`, {
      param: 'variant',
    })
  }
  return sendContent(reply, {
    bytes: asset.bytes,
    sha256: asset.sha256,
    type: asset.content_type,
    filename: `${rid}-${asset.variant}${asset.content_type === 'video/mp4' ? '.mp4' : ''}`,
    read: (range) => deps.media.read({ rid, tenant }, asset.variant, range),
  })
}

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RunId } from '#libs/core'
import type { Dialect } from '#libs/dialects'
import type { RunSpec } from '#libs/runs'
import { beforeAll } from '#libs/streams'
import { readLastEventId } from './cursor.ts'
import { createEndWaiter, waitForEnd, type EndedRun } from './deliver-json.ts'
import type { ApiDeps } from './deps.ts'
import { findRun } from './find-run.ts'
import { acceptFollowed } from './follow.ts'
import { toJob } from './job-resource.ts'
import { readPrefer } from './prefer.ts'
import { locationOf, tellRun } from './response-headers.ts'
import { leaveRun, openStream, sendAnswer, sendEnded, sendFailure, streamFound } from './send-run.ts'
import { accept, prepare, type PathRequest, type Prepared, type Submission } from './submit.ts'

/**
 * Answers every POST that creates a run, in the way that its client asked for: as a stream, in one piece, or later
 * (`Prefer: respond-async`). The run is the same in all three; only who reads it differs. `path` is what the URL says
 * of the request.
 */
export async function createRun(
  deps: ApiDeps,
  dialect: Dialect,
  request: FastifyRequest,
  reply: FastifyReply,
  path?: PathRequest,
): Promise<FastifyReply> {
  const resumed = readLastEventId(request.headers['last-event-id'])
  if (resumed !== undefined) return resumeRun(deps, resumed, request, reply)
  return answerRun(deps, await prepareRun(deps, dialect, request, path), request, reply)
}

/** Goes on with the run that a `Last-Event-ID` names, since some clients reconnect by sending their POST again. */
export async function resumeRun(
  deps: ApiDeps,
  { rid, after }: { rid: string; after: number },
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const found = await findRun(deps, rid, request.caller.tenant)
  return streamFound(deps, found, { after, isReconnect: true }, reply)
}

/** {@link prepare} for a request as Fastify has it. */
export function prepareRun(
  deps: ApiDeps,
  dialect: Dialect,
  request: FastifyRequest,
  path?: PathRequest,
): Promise<Prepared> {
  return prepare(deps, toSubmission(dialect, request, path))
}

/** What a request hands in, as Fastify has it. */
export function toSubmission(dialect: Dialect, request: FastifyRequest, path?: PathRequest): Submission {
  return {
    caller: request.caller,
    dialect,
    endpoint: endpointOf(request),
    path,
    json: request.bodyText,
    body: request.body,
    headers: request.headers,
    requestId: request.id,
  }
}

/** The path that was called, as the route knows it unless the model is a part of it; never the query, where a key may be. */
export function endpointOf({ routeOptions, url }: FastifyRequest): string {
  const route = routeOptions.url
  return route === undefined || /[:*]/.test(route) ? url.replace(/\?.*$/s, '') : route
}

/** Accepts the run and answers as its client wants it. */
export async function answerRun(
  deps: ApiDeps,
  prepared: Prepared,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const prefer = readPrefer(request.headers.prefer)
  const told = { ...prepared, tell: tellOn(reply) }
  if (prefer.respondAsync) return answerLater(deps, told, prefer.waitMs, reply)
  return told.spec.stream ? answerStream(deps, told, reply) : answerWhole(deps, told, reply)
}

/** For what is known of the limits of the caller's key, on an answer of whatever kind. */
export function tellOn(reply: FastifyReply): NonNullable<Prepared['tell']> {
  return (headers) => void reply.headers(headers)
}

async function answerStream(deps: ApiDeps, prepared: Prepared, reply: FastifyReply): Promise<FastifyReply> {
  const { spec } = prepared
  const delivery = openStream(deps, spec, reply, {
    cursor: { after: -1, isReconnect: false },
    onLeave: () => leaveRun(deps, spec),
  })
  const rid = await acceptFollowed(deps, prepared, delivery)
  if (rid === spec.rid) {
    delivery.start()
    // Who left while the run was being written down could not cancel it then.
    if (reply.raw.closed) leaveRun(deps, spec)
    return reply
  }
  reply.header('idempotent-replayed', 'true')
  return streamFound(deps, await findRun(deps, rid, spec.tenant), { after: -1, isReconnect: false }, reply)
}

async function answerWhole(deps: ApiDeps, prepared: Prepared, reply: FastifyReply): Promise<FastifyReply> {
  const { spec } = prepared
  const waiter = createEndWaiter()
  const following = deps.readers.followNew(spec.rid, spec.tenant, waiter.reader)
  let rid: RunId
  try {
    rid = await accept(deps, prepared, deps.readers.homeChannel)
  } catch (error) {
    following.stop()
    throw error
  }
  if (rid !== spec.rid) {
    following.stop()
    reply.header('idempotent-replayed', 'true')
    return waitForFound(deps, spec, rid, reply)
  }
  const ended = await waitForEnd(waiter, following, reply, {
    rid,
    location: locationOf(spec, rid),
    waitMs: deps.config.server.syncWaitMs,
  })
  if (ended === 'left') {
    leaveRun(deps, spec)
    return reply
  }
  return sendWhole(deps, prepared, ended, reply)
}

async function sendWhole(
  deps: ApiDeps,
  { spec }: Prepared,
  ended: EndedRun | undefined,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (ended?.end.outcome !== 'completed') {
    if (ended?.end.outcome === 'failed') return sendFailure(reply, spec, ended.end)
    return sendEnded(deps, await findRun(deps, spec.rid, spec.tenant), reply)
  }
  return sendAnswer(reply, spec, ended)
}

/** Waits for the end of a run that somebody else began, and answers with it. */
async function waitForFound(
  deps: ApiDeps,
  asked: RunSpec,
  rid: RunId,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const waiter = createEndWaiter()
  const following = deps.readers.follow(rid, asked.tenant, beforeAll, waiter.reader)
  const ended = await waitForEnd(waiter, following, reply, {
    rid,
    location: locationOf(asked, rid),
    waitMs: deps.config.server.syncWaitMs,
  })
  return ended === 'left' ? reply : sendEnded(deps, await findRun(deps, rid, asked.tenant), reply)
}

/** 202 with the job, or after `waitMs` at most with the run as it is then. */
async function answerLater(
  deps: ApiDeps,
  prepared: Prepared,
  waitMs: number,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { spec } = prepared
  const rid = await accept(deps, prepared, '')
  reply.header('preference-applied', 'respond-async')
  if (rid !== spec.rid) reply.header('idempotent-replayed', 'true')
  if (waitMs > 0) await awaitEnd(deps, rid, spec.tenant, waitMs)
  const found = await findRun(deps, rid, spec.tenant)
  return tellRun(reply, found.run.spec)
    .code(202)
    .headers({ location: `/v1/jobs/${rid}`, 'retry-after': '1' })
    .send(await toJob(deps, found))
}

/** Resolves when the run has ended, or when the time is up. */
export async function awaitEnd(deps: ApiDeps, rid: RunId, tenant: string, waitMs: number): Promise<void> {
  const waiter = createEndWaiter()
  const following = deps.readers.follow(rid, tenant, beforeAll, waiter.reader)
  const timer = setTimeout(() => waiter.reader.ended(), waitMs)
  try {
    await waiter.ended
  } finally {
    clearTimeout(timer)
    following.stop()
  }
}

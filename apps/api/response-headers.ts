import type { FastifyReply } from 'fastify'
import { toDollars, type CacheDecision } from '#libs/core'
import { getDialect } from '#libs/dialects'
import type { RunEnd, RunOpening, RunSpec } from '#libs/runs'

/** Where a run can be read again that answers a request such as `spec`'s. */
export function locationOf(spec: RunSpec, rid = spec.rid): string {
  return `${getDialect(spec.dialect).resourcePath ?? spec.endpoint}/${rid}`
}

/** What every answer about a run tells, as far as it is known when it begins. */
function runHeaders(spec: RunSpec, opening?: RunOpening): Record<string, string> {
  return {
    location: locationOf(spec),
    'x-millrace-run': spec.rid,
    'x-millrace-provider': opening?.provider ?? spec.provider,
    'x-millrace-model': opening?.target ?? spec.target,
    ...(spec.routing !== undefined && { 'x-millrace-routing': toRoutingHeader(spec.routing) }),
    ...(opening?.fallback !== undefined && { 'x-millrace-fallback': opening.fallback }),
    ...(opening !== undefined && {
      'x-millrace-attempts': String(opening.attempts),
      'x-millrace-queue-ms': String(opening.queueMs),
    }),
  }
}

/** Names of keys are the operator's own, and the client reads them in its jobs too. */
function toRoutingHeader(decision: CacheDecision): string {
  const { reason, preference, key, cachedTokens, expectedSavingNanodollars: saving } = decision
  if (preference === 'none') return `cache-aware; reason=${reason}`
  return [
    'cache-aware',
    `reason=${reason}`,
    `preference=${preference}`,
    ...(key === null ? [] : [`key=${key}`]),
    `tokens=${cachedTokens}`,
    ...(saving === null ? [] : [`saving=${toDollars(saving)}`]),
  ].join('; ')
}

/** Puts what is known of a run on an answer in one piece; all of it if the run has ended. */
export function tellRun(reply: FastifyReply, spec: RunSpec, end?: RunEnd | null): FastifyReply {
  if (end == null)
    return reply.headers({ ...runHeaders(spec), ...reply.server.compatibility?.headers(spec, {}) })
  const opening = openingOf(spec, end)
  const nanodollars = end.cost?.nanodollars
  return reply.headers({
    ...runHeaders(spec, opening),
    ...(typeof nanodollars === 'number' && { 'x-millrace-cost': toDollars(nanodollars) }),
    ...reply.server.compatibility?.headers(spec, { opening, end }),
  })
}

/** The same for an answer in events: nothing between us and the client may gather, change or keep it. */
export function streamHeaders(
  { server }: FastifyReply,
  spec: RunSpec,
  opening?: RunOpening,
): Record<string, string> {
  return {
    ...runHeaders(spec, opening),
    ...server.compatibility?.headers(spec, { opening }),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  }
}

/** Whoever was called last has answered, unless that call was one of two and lost. */
export function openingOf(spec: RunSpec, end: RunEnd): RunOpening {
  const { createdAtMs } = spec
  const last = end.attempts.findLast(({ outcome }) => outcome !== 'cancelled') ?? end.attempts.at(-1)
  return {
    provider: last?.provider ?? spec.provider,
    target: last?.model ?? spec.target,
    ...(end.fallback !== undefined && { fallback: end.fallback }),
    attempts: end.attempts.length,
    queueMs: Math.max(0, (end.startedAtMs ?? end.endedAtMs) - createdAtMs),
    firstFrameMs: (end.firstFrameAtMs ?? end.endedAtMs) - createdAtMs,
  }
}

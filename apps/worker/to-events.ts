import { openaiResponses, toResponseEnding } from '#libs/dialects'
import type { FinishedRun, RunEnd } from '#libs/runs'
import type { EventType, WebhookEvent } from '#libs/webhooks'

/**
 * What webhooks are told of the end of a run: of one that was handed in for later alone, since whoever waits for the
 * others has been told. What is told depends on nothing but the run, so that it can be told again.
 */
export function toEvents({ run }: FinishedRun): WebhookEvent[] {
  const { spec, end } = run
  if (spec.background !== true) return []
  const types: EventType[] = [`job.${end.outcome}`]
  if (spec.dialect === openaiResponses.name) types.unshift(`response.${responseStatus(end)}`)
  return types.map((type) => ({ tenant: spec.tenant, type, data: { id: spec.rid }, atMs: end.endedAtMs }))
}

function responseStatus({ outcome, finish }: RunEnd): RunEnd['outcome'] | 'incomplete' {
  return outcome === 'completed' && finish !== undefined ? toResponseEnding(finish).status : outcome
}

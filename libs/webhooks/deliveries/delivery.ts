import { hash } from 'node:crypto'
import type { WebhookEndpoint } from '../endpoints/endpoint.ts'
import { toEventBody, toEventId, type WebhookEvent } from '../event.ts'

/** One event on its way to one endpoint. */
export interface Delivery {
  id: string
  tenant: string
  endpointId: string
  eventId: string
  eventType: string
  body: string
  /** When the thing happened. */
  eventAtMs: number
  createdAtMs: number
  /** `pending` until the endpoint has taken it, or no attempt is left. */
  status: 'pending' | 'succeeded' | 'failed'
  /** Since it was begun, or begun again by hand. */
  attempts: number
  /** `null` when none will follow. */
  nextAttemptAtMs: number | null
  lastAttempt: AttemptRecord | null
}

/** How one attempt went. */
export interface AttemptRecord {
  atMs: number
  durationMs: number
  /** `null` when there was no answer. */
  statusCode: number | null
  /** Why it does not count as taken, in words for the endpoint's owner. */
  problem: string | null
}

/** The id is made of event and endpoint, so that an event which is published twice is delivered once. */
export function toDelivery(event: WebhookEvent, endpoint: WebhookEndpoint, nowMs: number): Delivery {
  const eventId = toEventId(event)
  return {
    id: `whd_${hash('sha256', `${eventId}\n${endpoint.id}`).slice(0, 32)}`,
    tenant: event.tenant,
    endpointId: endpoint.id,
    eventId,
    eventType: event.type,
    body: toEventBody(event),
    eventAtMs: event.atMs,
    createdAtMs: nowMs,
    status: 'pending',
    attempts: 0,
    nextAttemptAtMs: nowMs,
    lastAttempt: null,
  }
}

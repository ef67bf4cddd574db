import { hash } from 'node:crypto'

/** All that an endpoint can ask to be told: OpenAI's words for what OpenAI has, and ours for the rest. */
export const eventTypes = [
  'response.completed',
  'response.failed',
  'response.cancelled',
  'response.incomplete',
  'batch.completed',
  'batch.failed',
  'batch.expired',
  'batch.cancelled',
  'job.completed',
  'job.failed',
  'job.cancelled',
  'webhook_endpoint.disabled',
] as const

/** One of {@link eventTypes}. */
export type EventType = (typeof eventTypes)[number]

/** Whether an endpoint can ask for this. */
export function isEventType(text: string): text is EventType {
  return eventTypes.some((known) => known === text)
}

/**
 * Something that has happened to a thing of a tenant's. An event of the same type about the same thing is the same
 * event, however often it is published; where that can happen more than once, `occasion` tells which time is meant.
 */
export interface WebhookEvent {
  tenant: string
  type: EventType
  /** What is told of the thing: its id, and as little else as possible, since who wants more can ask for it. */
  data: { id: string }
  atMs: number
  occasion?: string
}

/** The id that stays the same however often the event is published or sent; receivers tell doubles by it. */
export function toEventId({ type, data, occasion = '' }: WebhookEvent): string {
  return `evt_${hash('sha256', [type, data.id, occasion].join('\n')).slice(0, 32)}`
}

/** The body of every delivery of the event, to the byte. */
export function toEventBody(event: WebhookEvent): string {
  const { type, data, atMs } = event
  const body = { id: toEventId(event), object: 'event', created_at: Math.floor(atMs / 1000), type, data }
  return JSON.stringify(body)
}

import { z } from 'zod'
import { GatewayError } from '#libs/core'
import { parseBody } from '#libs/dialects'
import { findUrlProblem, type OutboundPolicy } from '#libs/outbound'
import { eventTypes, isEventType, type EndpointSettings, type EventType } from '#libs/webhooks'

const name = z
  .string()
  .min(1)
  .max(256)
  .regex(/^\P{Cc}+$/u, 'control characters are not allowed')
const eventType = z.string().refine(isEventType, {
  error: ({ input }) =>
    `${JSON.stringify(input).slice(0, 80)} is not sent by this gateway; it sends ${eventTypes.join(', ')}`,
})

/** Reads the bodies of requests about endpoints. All of them throw `invalid_request`, naming the field. */
export interface WebhookBodies {
  create(body: unknown): EndpointSettings
  update(body: unknown): Partial<EndpointSettings> & { status?: 'enabled' | 'disabled' }
  rotate(body: unknown): { keepOld: boolean }
  test(body: unknown): { eventType: EventType }
}

/** A URL may be what the policy lets through. */
export function createWebhookBodies(policy: OutboundPolicy): WebhookBodies {
  const url = z
    .string()
    .max(2048)
    .superRefine((text, context) => {
      const problem = findUrlProblem(text, policy)
      if (problem !== undefined) context.addIssue({ code: 'custom', message: `the URL ${problem}` })
    })
  const settings = z.strictObject({
    name,
    url,
    event_types: z
      .array(eventType)
      .min(1)
      .max(100)
      .transform((types) => [...new Set(types)]),
  })
  const changes = settings.partial().extend({ status: z.enum(['enabled', 'disabled']).optional() })
  const rotation = z.strictObject({ keep_old_secret_active_for_24_hours: z.boolean().optional() })
  const testing = z.strictObject({ event_type: eventType })
  return {
    create(body) {
      const { event_types: types, ...rest } = parseBody(settings, body)
      return { ...rest, eventTypes: types }
    },
    update(body) {
      const { event_types: types, ...rest } = parseBody(changes, body ?? {})
      return { ...rest, ...(types !== undefined && { eventTypes: types }) }
    },
    rotate(body) {
      return { keepOld: parseBody(rotation, body ?? {}).keep_old_secret_active_for_24_hours === true }
    },
    test: (body) => ({ eventType: parseBody(testing, body).event_type }),
  }
}

/** Reads the `status` by which deliveries are listed. */
export function readDeliveryStatus(status: unknown): 'pending' | 'succeeded' | 'failed' | undefined {
  if (status === undefined || status === 'pending' || status === 'succeeded' || status === 'failed') {
    return status
  }
  throw new GatewayError('invalid_request', 'status is pending, succeeded or failed.', { param: 'status' })
}

import { z } from 'zod'

const StoredSecret = z.object({
  /** As the secret box gave it. */
  sealed: z.string(),
  /** What may be shown of it. */
  hint: z.string(),
  /** When it signs no more; `null` for the one in force. */
  expiresAtMs: z.number().nullable(),
})

/** Where a tenant wants to be told of what, and with which signatures. */
export const WebhookEndpoint = z.object({
  id: z.string(),
  tenant: z.string(),
  name: z.string(),
  url: z.string(),
  // A later release may know more types than this one.
  eventTypes: z.array(z.string()),
  createdAtMs: z.number(),
  updatedAtMs: z.number(),
  /** The one in force comes first. */
  secrets: z.array(StoredSecret),
  /**
   * Why nothing is sent to it any more: its owner wants it so, it answered 410, or it has failed for too long; `null`
   * while it is in use.
   */
  disabled: z.object({ atMs: z.number(), reason: z.enum(['requested', 'gone', 'failing']) }).nullable(),
})
export type WebhookEndpoint = z.infer<typeof WebhookEndpoint>

/** All endpoints of a tenant as they lie in the object store. */
export const StoredEndpoints = z.object({ version: z.literal(1), endpoints: z.array(WebhookEndpoint) })

/** What an owner says of an endpoint. */
export type EndpointSettings = Pick<WebhookEndpoint, 'name' | 'url' | 'eventTypes'>

/** What an owner, or a receiver that does not answer, changes of an endpoint. */
export type EndpointChange = Partial<EndpointSettings & Pick<WebhookEndpoint, 'disabled'>>

/** An endpoint together with its secret, at the one time that it is shown. */
export interface EndpointWithSecret {
  endpoint: WebhookEndpoint
  secret: string
}

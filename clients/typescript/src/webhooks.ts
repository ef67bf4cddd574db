import { Webhook } from 'standardwebhooks'

/** What the gateway tells of: `data.id` is the response, batch or job that ended. */
export interface WebhookEvent {
  id: string
  type: string
  created_at: number
  data: { id: string }
}

/**
 * Reads an event whose sender is proven, and that is not older than five minutes. `body` is the text as it came, since
 * its bytes are what is signed; `secret` is that of the endpoint, `whsec_…`. Throws for everything else. An event may
 * come more than once: its `id` is the same then.
 */
export function readWebhook(
  body: string,
  headers: Headers | Record<string, string>,
  secret: string,
): WebhookEvent {
  const plain = headers instanceof Headers ? Object.fromEntries(headers) : headers
  return new Webhook(secret).verify(body, plain) as WebhookEvent
}

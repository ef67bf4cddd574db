import type { Delivery, WebhookEndpoint } from '#libs/webhooks'

/** An endpoint as OpenAI's SDKs know it; from `status` on it is ours. */
export function toEndpointResource(endpoint: WebhookEndpoint): object {
  const { id, name, url, eventTypes, createdAtMs, updatedAtMs, secrets, disabled } = endpoint
  return {
    id,
    object: 'webhook_endpoint',
    name,
    url,
    event_types: eventTypes,
    created_at: toSeconds(createdAtMs),
    updated_at: toSeconds(updatedAtMs),
    signing_secret_hint: secrets[0]?.hint ?? null,
    status: disabled === null ? 'enabled' : 'disabled',
    disabled_at: disabled === null ? null : toSeconds(disabled.atMs),
    disabled_reason: disabled?.reason ?? null,
  }
}

/** A delivery with all that its endpoint's owner needs to find out why it did not arrive. */
export function toDeliveryResource(delivery: Delivery): object {
  const { id, endpointId, eventId, eventType, status, attempts, createdAtMs } = delivery
  const { nextAttemptAtMs, lastAttempt } = delivery
  return {
    id,
    object: 'webhook_endpoint.delivery',
    webhook_endpoint_id: endpointId,
    event_id: eventId,
    event_type: eventType,
    status,
    attempts,
    created_at: toSeconds(createdAtMs),
    next_attempt_at: nextAttemptAtMs === null ? null : toSeconds(nextAttemptAtMs),
    last_attempt:
      lastAttempt === null
        ? null
        : {
            at: toSeconds(lastAttempt.atMs),
            duration_ms: lastAttempt.durationMs,
            status_code: lastAttempt.statusCode,
            error: lastAttempt.problem,
          },
  }
}

function toSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000)
}

import { Webhook } from 'standardwebhooks'
import type { GatewayConfig } from './gateway.ts'
import type { ReceivedEvent, WebhookReceiver } from './webhook-receiver.ts'

/** A configuration that lets tests receive on this machine, and does in milliseconds what takes days. */
export function toWebhookSection(
  receivers: readonly WebhookReceiver[],
  settings: GatewayConfig = {},
): GatewayConfig {
  const ports = receivers.map(({ port }) => port)
  return { allow_http: true, allow_private: true, ports, schedule_ms: [100, 200, 400], ...settings }
}

/** Whether the package that the specification comes with takes the event for the secret's owner's. */
export function isSigned({ body, headers }: ReceivedEvent, secret: string): boolean {
  try {
    new Webhook(secret).verify(body, headers)
    return true
  } catch {
    return false
  }
}

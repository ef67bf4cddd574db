import { Webhook } from 'standardwebhooks'
import type { Answer, GuardedFetcher } from '#libs/outbound'

/** What one attempt sends, and to whom. */
export interface Sending {
  url: string
  /** Each signs: while two are in force, a receiver may know either. */
  secrets: readonly string[]
  eventId: string
  body: string
}

/** Sends an event as Standard Webhooks has it, signed for this very moment. */
export function sendEvent(
  fetcher: GuardedFetcher,
  { url, secrets, eventId, body }: Sending,
  limits: { timeoutMs: number; signal: AbortSignal },
): Promise<Answer> {
  const now = new Date()
  const signatures = secrets.map((secret) => new Webhook(secret).sign(eventId, now, body))
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'Millrace-Webhooks',
    'webhook-id': eventId,
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': signatures.join(' '),
  }
  return fetcher.post({ url, headers, body, ...limits })
}

/** Whether the receiver has taken the event. */
export function isTaken(answer: Answer): boolean {
  return answer.status === 'answered' && answer.statusCode >= 200 && answer.statusCode < 300
}

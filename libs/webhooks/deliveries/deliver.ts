import type { Answer, GuardedFetcher } from '#libs/outbound'
import type { WebhookEndpoint } from '../endpoints/endpoint.ts'
import type { Endpoints } from '../endpoints/endpoints.ts'
import type { WebhookEvent } from '../event.ts'
import type { Deliveries } from './deliveries.ts'
import type { Delivery } from './delivery.ts'
import { nextDelayMs } from './schedule.ts'
import { isTaken, sendEvent } from './send.ts'
import { createTurns } from './turns.ts'

/**
 * How an attempt went: `delivered`, `retried` (another will follow), `gave_up` (it was the last one), or `disabled` (it
 * was the one that the endpoint was disabled for).
 */
export type AttemptOutcome = 'delivered' | 'retried' | 'gave_up' | 'disabled'

export interface DeliverOptions {
  endpoints: Endpoints
  deliveries: Deliveries
  fetcher: GuardedFetcher
  schedule: readonly number[]
  timeoutMs: number
  disableAfterMs: number
  parallel: number
  publish: (events: readonly WebhookEvent[]) => Promise<void>
  /** `ageMs`: from the event to the end of the attempt. */
  onAttempt: (outcome: AttemptOutcome, ageMs: number) => void
  onError: (error: unknown) => void
}

/**
 * Makes the next attempt of a delivery; gives the milliseconds after which to come again, or nothing when it is done
 * with. What is to be done is read from the records, so one that comes twice is sent twice at worst, and one that is
 * done with is not sent again.
 */
export type Deliver = (id: string, signal: AbortSignal) => Promise<number | undefined>

export function createDeliver(options: DeliverOptions): Deliver {
  const { endpoints, deliveries } = options
  const turns = createTurns(options.parallel)

  return async (id, signal) => {
    const delivery = await deliveries.find(id)
    if (delivery?.status !== 'pending') return undefined
    const endpoint = await endpoints.find(delivery.tenant, delivery.endpointId)
    if (endpoint === undefined || endpoint.disabled !== null) {
      const problem = endpoint === undefined ? 'The endpoint was deleted.' : 'The endpoint is disabled.'
      await deliveries.save(withoutAnswer(delivery, problem))
      return undefined
    }
    const waitMs = turns.enter(endpoint.id)
    if (waitMs !== undefined) return waitMs
    const startedAtMs = performance.now()
    try {
      return await attempt(options, { delivery, endpoint }, signal)
    } finally {
      turns.leave(endpoint.id, performance.now() - startedAtMs)
    }
  }
}

interface Addressed {
  delivery: Delivery
  endpoint: WebhookEndpoint
}

async function attempt(
  options: DeliverOptions,
  { delivery, endpoint }: Addressed,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { deliveries, onAttempt } = options
  const atMs = Date.now()
  const answer = await send(options, { delivery, endpoint }, signal)
  if (answer.status === 'aborted') return 0
  const endedAtMs = Date.now()
  const lastAttempt = { atMs, durationMs: endedAtMs - atMs, ...describe(answer) }
  const tried: Delivery = { ...delivery, attempts: delivery.attempts + 1, lastAttempt }
  const ageMs = endedAtMs - delivery.eventAtMs

  if (isTaken(answer)) {
    await deliveries.save({ ...tried, status: 'succeeded', nextAttemptAtMs: null })
    await deliveries.noteSuccess(endpoint.id)
    onAttempt('delivered', ageMs)
    return undefined
  }
  const failingSinceMs = await deliveries.noteFailure(endpoint.id, endedAtMs)
  const hasFailedLong = endedAtMs - failingSinceMs > options.disableAfterMs
  const isGone = answer.status === 'answered' && answer.statusCode === 410
  const retryAfter = answer.status === 'answered' ? answer.retryAfter : undefined
  const delayMs = isGone ? undefined : nextDelayMs(options.schedule, { attempts: tried.attempts, retryAfter })
  if (delayMs !== undefined) {
    await deliveries.save({ ...tried, nextAttemptAtMs: endedAtMs + delayMs })
    onAttempt('retried', ageMs)
    return delayMs
  }
  // While this one can still be tried, so can the endpoint: it may have been asked seldom.
  const isDisabled = isGone || hasFailedLong
  if (isDisabled) await disable(options, endpoint, isGone ? 'gone' : 'failing')
  await deliveries.save({ ...tried, status: 'failed', nextAttemptAtMs: null })
  onAttempt(isDisabled ? 'disabled' : 'gave_up', ageMs)
  return undefined
}

/** A secret that does not open is a failure like others: it is tried again, and the operator can help meanwhile. */
async function send(
  { endpoints, fetcher, timeoutMs, onError }: DeliverOptions,
  { delivery, endpoint }: Addressed,
  signal: AbortSignal,
): Promise<Answer> {
  let secrets: string[]
  try {
    secrets = endpoints.secretsOf(endpoint)
  } catch (error) {
    onError(error)
    return { status: 'refused', problem: 'Its signing secret cannot be read any more: rotate it.' }
  }
  const { eventId, body } = delivery
  return sendEvent(fetcher, { url: endpoint.url, secrets, eventId, body }, { timeoutMs, signal })
}

/** The news first: were it the other way round, a process that died in between would have told nobody. */
async function disable(
  { endpoints, deliveries, publish }: DeliverOptions,
  { tenant, id, updatedAtMs }: WebhookEndpoint,
  reason: 'gone' | 'failing',
): Promise<void> {
  const atMs = Date.now()
  const occasion = String(updatedAtMs)
  await publish([{ tenant, type: 'webhook_endpoint.disabled', data: { id }, atMs, occasion }])
  await endpoints.update(tenant, id, { disabled: { atMs, reason } })
  await deliveries.noteSuccess(id)
}

function withoutAnswer(delivery: Delivery, problem: string): Delivery {
  const lastAttempt = { atMs: Date.now(), durationMs: 0, statusCode: null, problem }
  return { ...delivery, status: 'failed', nextAttemptAtMs: null, lastAttempt }
}

function describe(answer: Answer): { statusCode: number | null; problem: string | null } {
  if (answer.status !== 'answered') return { statusCode: null, problem: answer.problem }
  const { statusCode } = answer
  return { statusCode, problem: isTaken(answer) ? null : `It answered ${statusCode}, which is not 2xx.` }
}

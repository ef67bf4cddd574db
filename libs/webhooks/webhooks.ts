import { GatewayError } from '#libs/core'
import { createTaskQueue } from '#libs/jobs'
import { createGuardedFetcher, type Answer } from '#libs/outbound'
import type { Redis } from '#libs/redis'
import type { ObjectStore } from '#libs/storage'
import { createDeliver, type AttemptOutcome, type Deliver } from './deliveries/deliver.ts'
import { createDeliveries, type Deliveries } from './deliveries/deliveries.ts'
import { toDelivery, type Delivery } from './deliveries/delivery.ts'
import { sendEvent } from './deliveries/send.ts'
import type { WebhookEndpoint } from './endpoints/endpoint.ts'
import { createEndpointObjects } from './endpoints/endpoint-objects.ts'
import { createEndpoints, type Endpoints } from './endpoints/endpoints.ts'
import { createSecretBox } from './endpoints/secret-box.ts'
import { toEventBody, toEventId, type WebhookEvent } from './event.ts'

/** What the configuration says of webhooks. */
export interface WebhookSettings {
  readonly allowHttp: boolean
  readonly allowPrivate: boolean
  readonly ports: readonly number[]
  /** From each failed attempt to the next one; as many attempts follow the first as there are entries. */
  readonly scheduleMs: readonly number[]
  readonly timeoutMs: number
  /** How long an endpoint may take nothing before it is disabled. */
  readonly disableAfterMs: number
  /** Deliveries at once to one endpoint, from each worker. */
  readonly parallel: number
  /** The newest deliveries of each endpoint that are kept, done with or not. */
  readonly keptDeliveries: number
  /** Seals the signing secrets where they are kept. */
  readonly encryptionKey?: string | undefined
}

/** What webhooks need, and whom they tell how it goes. */
export interface WebhooksOptions {
  /** The records; and BullMQ's connection. Both stay their owner's, as does the store. */
  redis: Redis
  jobs: Redis
  objects: ObjectStore
  settings: WebhookSettings
  /** What nobody is told otherwise. */
  onError: (error: unknown) => void
  onAttempt?: (outcome: AttemptOutcome, ageMs: number) => void
  /** Deliveries that were not done with, and had to make room for newer ones. */
  onDropped?: (count: number) => void
}

/** Tells tenants' own servers what has happened. */
export interface Webhooks {
  endpoints: Endpoints
  deliveries: Deliveries
  /**
   * Hands the events to every endpoint of theirs that wants them; when it resolves, they will be delivered. An event
   * may be published again: it is the same one. For a tenant without endpoints this is one read.
   */
  publish: (events: readonly WebhookEvent[]) => Promise<void>
  deliver: Deliver
  /** Begins a delivery again, whatever became of it, at once. */
  redeliver(delivery: Delivery): Promise<Delivery>
  /** Sends an event to one endpoint here and now, and once. */
  test(endpoint: WebhookEndpoint, event: WebhookEvent): Promise<Answer>
  /** Gives deliveries a task that should have one and have none, since a process died in between. */
  recover(): Promise<void>
  close(): Promise<void>
}

/** The name of the queue whose tasks are deliveries. */
export const webhookQueue = 'webhooks'

/** A delivery that should have been attempted so long ago may have lost its task. */
const overdueMs = 30_000
const mostRecovered = 1_000

/** Opens nothing that it was not given, apart from connections to endpoints. */
export function createWebhooks(options: WebhooksOptions): Webhooks {
  const { redis, settings, onError, onDropped = () => undefined, onAttempt = () => undefined } = options
  const endpointObjects = createEndpointObjects(redis, options.objects)
  const endpoints = createEndpoints(endpointObjects, createSecretBox(settings.encryptionKey))
  const deliveries = createDeliveries(redis, { kept: settings.keptDeliveries })
  const queue = createTaskQueue(webhookQueue, options.jobs)
  const fetcher = createGuardedFetcher(settings)
  const { timeoutMs, disableAfterMs, parallel, scheduleMs: schedule } = settings

  async function begin(event: WebhookEvent, endpoint: WebhookEndpoint): Promise<void> {
    const { delivery, dropped } = await deliveries.open(toDelivery(event, endpoint, Date.now()))
    if (delivery.status === 'pending') await queue.add(delivery.id)
    if (dropped > 0) onDropped(dropped)
  }

  async function publish(events: readonly WebhookEvent[]): Promise<void> {
    for (const [tenant, own] of Map.groupBy(events, (event) => event.tenant)) {
      const known = await readable(endpoints.list(tenant), onError)
      const inUse = known.filter(({ disabled }) => disabled === null)
      const wanted = own.flatMap((event) => {
        // What an endpoint is told is never about itself.
        const wanting = inUse.filter(
          ({ id, eventTypes }) => id !== event.data.id && eventTypes.includes(event.type),
        )
        return wanting.map((endpoint) => begin(event, endpoint))
      })
      await Promise.all(wanted)
    }
  }

  const attempts = { schedule, timeoutMs, disableAfterMs, parallel, publish, onAttempt, onError }
  return {
    endpoints,
    deliveries,
    publish,
    deliver: createDeliver({ endpoints, deliveries, fetcher, ...attempts }),
    async redeliver(delivery) {
      const begun: Delivery = { ...delivery, status: 'pending', attempts: 0, nextAttemptAtMs: Date.now() }
      await deliveries.save(begun)
      await queue.hurry(delivery.id)
      return begun
    },
    test(endpoint, event) {
      const message = { eventId: toEventId(event), body: toEventBody(event) }
      const sending = { url: endpoint.url, secrets: endpoints.secretsOf(endpoint), ...message }
      return sendEvent(fetcher, sending, { timeoutMs, signal: new AbortController().signal })
    },
    async recover() {
      for (const id of await queue.missing(await deliveries.overdue(overdueMs, mostRecovered))) {
        await queue.add(id)
      }
    },
    async close() {
      await queue.close()
      await fetcher.close()
    },
  }
}

/** Endpoints that no release can read must not hold up the runs of their tenant: there is nobody to tell. */
async function readable(
  listing: Promise<WebhookEndpoint[]>,
  onError: (error: unknown) => void,
): Promise<WebhookEndpoint[]> {
  try {
    return await listing
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    onError(error)
    return []
  }
}

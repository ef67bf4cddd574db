import { randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '#libs/core'
import { eventTypes, type Delivery, type WebhookEndpoint } from '#libs/webhooks'
import type { ApiDeps } from '../deps.ts'
import { readListQuery } from '../list-query.ts'
import { createWebhookBodies, readDeliveryStatus } from '../webhook-request.ts'
import { toDeliveryResource, toEndpointResource } from '../webhook-resource.ts'

const path = '/webhook_endpoints'
/** OpenAI's word for it: `keep_old_secret_active_for_24_hours`. */
const oldSecretMs = 24 * 60 * 60_000

const hexId = /^[0-9a-f]{32}$/

interface ById {
  Params: { id: string }
  Querystring: Record<string, unknown>
}

/** Where a tenant's own servers are told of what has happened: OpenAI's routes, and ours for the deliveries. */
export function webhookEndpoints(app: FastifyInstance, deps: ApiDeps): void {
  app.get('/webhook_event_types', async () => ({ object: 'list', data: eventTypes }))
  manageEndpoints(app, deps)
  rotateAndTest(app, deps)
  showDeliveries(app, deps)
}

function manageEndpoints(app: FastifyInstance, { config, webhooks }: ApiDeps): void {
  const { endpoints, deliveries } = webhooks
  const bodies = createWebhookBodies(config.webhooks)

  app.post(path, async (request) => {
    const { endpoint, secret } = await endpoints.create(request.caller.tenant, bodies.create(request.body))
    return { ...toEndpointResource(endpoint), signing_secret: secret }
  })

  app.get<ById>(path, async (request) => {
    const { after, query } = readPage(request.query, 'whe_')
    const isNewestFirst = query.order === 'desc'
    const newestFirst = await endpoints.list(request.caller.tenant)
    const all = isNewestFirst ? newestFirst : newestFirst.toReversed()
    // By the order of ids and not by a place, since that endpoint may have been deleted meanwhile.
    const rest = after === undefined ? all : all.filter(({ id }) => (isNewestFirst ? id < after : id > after))
    const page = rest.slice(0, query.limit)
    return toList(page.map(toEndpointResource), page, page.length < rest.length)
  })

  app.get<ById>(`${path}/:id`, async (request) => toEndpointResource(await findEndpoint(webhooks, request)))

  app.post<ById>(`${path}/:id`, async (request) => {
    const { status, ...settings } = bodies.update(request.body)
    const { tenant, id, disabled } = await findEndpoint(webhooks, request)
    const isToggled = status !== undefined && (status === 'disabled') !== (disabled !== null)
    const requested = { atMs: Date.now(), reason: 'requested' } as const
    const toggle = isToggled ? { disabled: status === 'disabled' ? requested : null } : {}
    // It gets all of its time again to prove itself.
    if (status === 'enabled') await deliveries.noteSuccess(id)
    return toEndpointResource(found(await endpoints.update(tenant, id, { ...settings, ...toggle })))
  })

  app.delete<ById>(`${path}/:id`, async (request) => {
    const { id } = request.params
    if (!(await endpoints.delete(request.caller.tenant, id))) throw endpointNotFound()
    await deliveries.forget(id)
    return { id, object: 'webhook_endpoint.deleted', deleted: true }
  })
}

function rotateAndTest(app: FastifyInstance, { config, webhooks }: ApiDeps): void {
  const bodies = createWebhookBodies(config.webhooks)

  app.post<ById>(`${path}/:id/rotate_secret`, async (request) => {
    const { keepOld } = bodies.rotate(request.body)
    const { tenant } = request.caller
    const keepOldMs = keepOld ? oldSecretMs : 0
    const { endpoint, secret } = found(await webhooks.endpoints.rotate(tenant, request.params.id, keepOldMs))
    return { ...toEndpointResource(endpoint), signing_secret: secret }
  })

  app.post<ById>(`${path}/:id/test`, async (request) => {
    const { eventType } = bodies.test(request.body)
    const endpoint = await findEndpoint(webhooks, request)
    const answer = await webhooks.test(endpoint, {
      tenant: endpoint.tenant,
      type: eventType,
      data: { id: `${eventType.split('.', 1)[0]}_test` },
      atMs: Date.now(),
      // Each test is an event of its own, since a receiver may ignore what it knows.
      occasion: randomUUID(),
    })
    if (answer.status !== 'answered') {
      const message = `The endpoint did not answer the test. ${answer.problem}`
      throw new GatewayError('webhook_endpoint_unreachable', message)
    }
    return {
      object: 'webhook_endpoint.test',
      event_type: eventType,
      status_code: answer.statusCode,
      success: true,
      webhook_endpoint_id: endpoint.id,
    }
  })
}

function showDeliveries(app: FastifyInstance, { webhooks }: ApiDeps): void {
  app.get<ById>(`${path}/:id/deliveries`, async (request) => {
    const { after, query } = readPage(request.query, 'whd_')
    const status = readDeliveryStatus(request.query.status)
    const { id } = await findEndpoint(webhooks, request)
    const page = await webhooks.deliveries.list(id, { after, limit: query.limit, status })
    return toList(page.deliveries.map(toDeliveryResource), page.deliveries, page.hasMore)
  })

  app.post<{ Params: { id: string; delivery: string } }>(
    `${path}/:id/deliveries/:delivery/redeliver`,
    async (request) => {
      const endpoint = await findEndpoint(webhooks, request)
      const delivery = await findDelivery(webhooks, endpoint, request.params.delivery)
      if (endpoint.disabled !== null) {
        const message = 'The endpoint is disabled. Enable it first, by {"status": "enabled"}.'
        throw new GatewayError('invalid_request', message)
      }
      return toDeliveryResource(await webhooks.redeliver(delivery))
    },
  )
}

async function findEndpoint(
  { endpoints }: ApiDeps['webhooks'],
  request: Pick<FastifyRequest, 'caller' | 'params'>,
): Promise<WebhookEndpoint> {
  const { id } = request.params as { id: string }
  return found(await endpoints.find(request.caller.tenant, id))
}

async function findDelivery(
  { deliveries }: ApiDeps['webhooks'],
  endpoint: WebhookEndpoint,
  id: string,
): Promise<Delivery> {
  const delivery = id.startsWith('whd_') && hexId.test(id.slice(4)) ? await deliveries.find(id) : undefined
  if (delivery?.endpointId === endpoint.id) return delivery
  throw new GatewayError('webhook_delivery_not_found', 'There is no such delivery to this endpoint any more.')
}

function found<Found>(result: Found | undefined): Found {
  if (result === undefined) throw endpointNotFound()
  return result
}

function endpointNotFound(): GatewayError {
  return new GatewayError('webhook_endpoint_not_found', 'There is no such webhook endpoint.')
}

/** `limit` and `order` are those of every list; `after` is an id with this prefix. */
function readPage(
  { after, ...rest }: Record<string, unknown>,
  prefix: string,
): { after: string | undefined; query: ReturnType<typeof readListQuery> } {
  const isId = typeof after === 'string' && after.startsWith(prefix) && hexId.test(after.slice(prefix.length))
  if (after !== undefined && !isId) {
    throw new GatewayError('invalid_request', 'after is the id of the last item you have.', {
      param: 'after',
    })
  }
  return { after, query: readListQuery({ order: 'desc', ...rest }) }
}

function toList(data: object[], page: readonly { id: string }[], hasMore: boolean): object {
  return {
    object: 'list',
    data,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
    has_more: hasMore,
  }
}

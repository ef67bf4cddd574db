import { GatewayError } from '#libs/core'
import { keys, withLock, type Redis } from '#libs/redis'
import type { ObjectStore } from '#libs/storage'
import { StoredEndpoints, type WebhookEndpoint } from './endpoint.ts'

/** What a change leaves, and what it tells whoever asked for it. */
export interface Changed<Result> {
  endpoints: WebhookEndpoint[]
  result: Result
}

/**
 * The endpoints of each tenant: an object in the object store, which is the truth and outlives Redis, and a copy of it
 * in Redis, which is what is read.
 */
export interface EndpointObjects {
  /** Throws `internal_error` for what this release cannot read. */
  read(tenant: string): Promise<WebhookEndpoint[]>
  /** One change of a tenant's at a time, durable when it resolves; where `act` gives nothing, nothing is written. */
  change<Result>(
    tenant: string,
    act: (endpoints: WebhookEndpoint[]) => Changed<Result> | undefined,
  ): Promise<Result | undefined>
}

/** A copy that a dying process left behind is believed for so long at most. */
const copyLifetimeMs = 10 * 60_000

/** Store and connection stay their owner's. */
export function createEndpointObjects(redis: Redis, objects: ObjectStore): EndpointObjects {
  async function readOriginal(tenant: string): Promise<string> {
    return (await objects.get(objectKey(tenant)))?.toString() ?? toText([])
  }

  return {
    async read(tenant) {
      const copy = await redis.get(keys.webhookEndpoints(tenant))
      if (copy !== null) return fromText(tenant, copy)
      const original = await readOriginal(tenant)
      // Who has changed it meanwhile has put the newer one there.
      await redis.set(keys.webhookEndpoints(tenant), original, 'PX', copyLifetimeMs, 'NX')
      return fromText(tenant, original)
    },
    change(tenant, act) {
      return withLock(redis, keys.webhookChange(tenant), async () => {
        const changed = act(fromText(tenant, await readOriginal(tenant)))
        if (changed === undefined) return undefined
        const text = toText(changed.endpoints)
        await redis.del(keys.webhookEndpoints(tenant))
        await objects.put(objectKey(tenant), Buffer.from(text))
        await redis.set(keys.webhookEndpoints(tenant), text, 'PX', copyLifetimeMs)
        return changed.result
      })
    },
  }
}

function objectKey(tenant: string): string {
  return `webhooks/${tenant}.json`
}

function toText(endpoints: WebhookEndpoint[]): string {
  return JSON.stringify({ version: 1, endpoints })
}

function fromText(tenant: string, text: string): WebhookEndpoint[] {
  try {
    return StoredEndpoints.parse(JSON.parse(text)).endpoints
  } catch (cause) {
    const message = `The webhook endpoints of tenant ${tenant} are not ones that this release can read.`
    throw new GatewayError('internal_error', message, { cause })
  }
}

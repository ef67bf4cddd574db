import { createRunId, GatewayError } from '#libs/core'
import type { EndpointChange, EndpointSettings, EndpointWithSecret, WebhookEndpoint } from './endpoint.ts'
import type { Changed, EndpointObjects } from './endpoint-objects.ts'
import { createSecret, toHint, type SecretBox } from './secret-box.ts'

/** The endpoints of all tenants. What is changed is durable when the change resolves. */
export interface Endpoints {
  /** In the order of their ids, which is that of time, newest first. */
  list(tenant: string): Promise<WebhookEndpoint[]>
  find(tenant: string, id: string): Promise<WebhookEndpoint | undefined>
  /** Throws `invalid_request` when the tenant has as many as it may have. */
  create(tenant: string, settings: EndpointSettings): Promise<EndpointWithSecret>
  /** A change that changes nothing leaves the time of the last one. */
  update(tenant: string, id: string, change: EndpointChange): Promise<WebhookEndpoint | undefined>
  /** The old secret signs beside the new one until `keepOldMs` from now, or no more if that is 0. */
  rotate(tenant: string, id: string, keepOldMs: number): Promise<EndpointWithSecret | undefined>
  /** False if there was none. */
  delete(tenant: string, id: string): Promise<boolean>
  /** The secrets that sign now, the one in force first. Throws if the encryption key is not theirs. */
  secretsOf(endpoint: WebhookEndpoint): string[]
}

type StoredSecret = WebhookEndpoint['secrets'][number]

const mostEndpoints = 50
const mostOldSecrets = 4

/** Secrets are sealed wherever the objects are. */
export function createEndpoints(objects: EndpointObjects, secretBox: SecretBox): Endpoints {
  function toStored(secret: string, owner: string): StoredSecret {
    return { sealed: secretBox.seal(secret, owner), hint: toHint(secret), expiresAtMs: null }
  }

  return {
    async list(tenant) {
      const endpoints = await objects.read(tenant)
      return endpoints.toSorted((left, right) => (left.id < right.id ? 1 : -1))
    },
    async find(tenant, id) {
      return (await objects.read(tenant)).find((endpoint) => endpoint.id === id)
    },
    async create(tenant, settings) {
      const id = createRunId('whe_')
      const secret = createSecret()
      const nowMs = Date.now()
      const times = { createdAtMs: nowMs, updatedAtMs: nowMs }
      const secrets = [toStored(secret, id)]
      const endpoint: WebhookEndpoint = { id, tenant, ...settings, ...times, secrets, disabled: null }
      await objects.change(tenant, (endpoints) => {
        if (endpoints.length >= mostEndpoints) throw tooMany()
        return { endpoints: [...endpoints, endpoint], result: undefined }
      })
      return { endpoint, secret }
    },
    update: (tenant, id, changes) =>
      objects.change(tenant, (endpoints) =>
        changeOne(endpoints, id, (before) => {
          const after = { ...before, ...changes }
          const isSame = JSON.stringify(after) === JSON.stringify(before)
          const endpoint = isSame ? before : { ...after, updatedAtMs: Date.now() }
          return { endpoint, result: endpoint }
        }),
      ),
    rotate: (tenant, id, keepOldMs) =>
      objects.change(tenant, (endpoints) =>
        changeOne(endpoints, id, (before) => {
          const nowMs = Date.now()
          const secret = createSecret()
          const old = keepOldMs === 0 ? [] : keepOld(before.secrets, nowMs, nowMs + keepOldMs)
          const endpoint = { ...before, secrets: [toStored(secret, id), ...old], updatedAtMs: nowMs }
          return { endpoint, result: { endpoint, secret } }
        }),
      ),
    async delete(tenant, id) {
      const deleted = await objects.change(tenant, (endpoints) => {
        const left = endpoints.filter((endpoint) => endpoint.id !== id)
        return left.length === endpoints.length ? undefined : { endpoints: left, result: true }
      })
      return deleted === true
    },
    secretsOf: ({ id, secrets }) =>
      inForce(secrets, Date.now()).map(({ sealed }) => secretBox.open(sealed, id)),
  }
}

function changeOne<Result>(
  endpoints: WebhookEndpoint[],
  id: string,
  act: (endpoint: WebhookEndpoint) => { endpoint: WebhookEndpoint; result: Result },
): Changed<Result> | undefined {
  const index = endpoints.findIndex((endpoint) => endpoint.id === id)
  const found = endpoints[index]
  if (found === undefined) return undefined
  const { endpoint, result } = act(found)
  return { endpoints: endpoints.with(index, endpoint), result }
}

function keepOld(secrets: StoredSecret[], nowMs: number, untilMs: number): StoredSecret[] {
  const kept = inForce(secrets, nowMs).slice(0, mostOldSecrets)
  return kept.map((secret) => ({ ...secret, expiresAtMs: secret.expiresAtMs ?? untilMs }))
}

function inForce(secrets: StoredSecret[], nowMs: number): StoredSecret[] {
  return secrets.filter(({ expiresAtMs }) => expiresAtMs === null || expiresAtMs > nowMs)
}

function tooMany(): GatewayError {
  return new GatewayError(
    'invalid_request',
    `There are ${mostEndpoints} webhook endpoints already, which is the most. Delete one first.`,
  )
}

import type { Config, TenantConfig } from './config.ts'

/** A tenant's part of a provider's queue, with every default filled in. */
export interface ResolvedShare {
  weight: number
  maxWaiting: number
  maxRunning?: number | undefined
  /** Whether no key belongs to another. */
  isAlone: boolean
}

/** Tells the part that a tenant has of the provider's queue; nobody has any of one that is not configured. */
export type ShareOf = (tenant: string, provider: string) => ResolvedShare

/**
 * Where several tenants have keys, one may fill half of a buffer unless the file says otherwise: whoever floods a queue
 * to its limit, the others can still hand in. A tenant that is alone has nobody to leave room for.
 */
export function createShareOf(
  config: Pick<Config, 'keys' | 'tenants' | 'tenantDefaults' | 'providers'>,
): ShareOf {
  const named = new Map(config.tenants.map((tenant): [string, TenantConfig] => [tenant.name, tenant]))
  const buffers = new Map(config.providers.map(({ name, bufferSize }) => [name, bufferSize]))
  const isShared = new Set(config.keys.map(({ tenant }) => tenant)).size > 1
  return (tenant, provider) => {
    const { weight, maxWaiting, maxRunning } = named.get(tenant) ?? config.tenantDefaults
    const bufferSize = buffers.get(provider) ?? 0
    const most = isShared ? Math.max(1, Math.floor(bufferSize / 2)) : bufferSize
    return { weight, maxWaiting: maxWaiting ?? most, maxRunning, isAlone: !isShared }
  }
}

/** Every tenant that can call: those that keys belong to, and the one that everybody is without keys. */
export function knownTenants({ keys }: Pick<Config, 'keys'>): Set<string> {
  return new Set(keys.map(({ tenant }) => tenant)).add('default')
}

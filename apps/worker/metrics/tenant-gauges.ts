import { knownTenants, type Config } from '#config'
import type { WorkerDeps } from '../deps.ts'

/**
 * Shows how many runs of each tenant wait for their turn, of all providers, so that every worker tells the same. As
 * those of `other` count the runs of tenants that are not configured any more, and the few that are in no order.
 */
export function publishTenantGauges({ metrics, store }: WorkerDeps, config: Config): void {
  const tenants = [...knownTenants(config)]
  metrics.beforeScrape(async () => {
    const orders = await Promise.all(config.providers.map(({ name }) => store.census(name, tenants)))
    const backlogs = await Promise.all(config.providers.map(({ name }) => store.waiting(name)))
    let other = backlogs.reduce((sum, { count }) => sum + count, 0)
    for (const [at, tenant] of tenants.entries()) {
      const waiting = orders.reduce((sum, counts) => sum + (counts[at] ?? 0), 0)
      metrics.tenantWaiting({ tenant }).set(waiting)
      other -= waiting
    }
    // Between two readings some may have moved on.
    metrics.tenantWaiting({ tenant: 'other' }).set(Math.max(0, other))
  })
}

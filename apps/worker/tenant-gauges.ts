import { knownTenants, type Config } from '#config'
import type { WorkerDeps } from './deps.ts'

/**
 * Shows how many runs each tenant has, of all providers, so that every worker tells the same. Runs of tenants that are
 * not configured any more count as those of `other`.
 */
export function publishTenantGauges({ metrics, store }: WorkerDeps, config: Config): void {
  const tenants = [...knownTenants(config)]
  metrics.beforeScrape(async () => {
    const queues = await Promise.all(config.providers.map(({ name }) => store.census(name, tenants)))
    const backlogs = await Promise.all(config.providers.map(({ name }) => store.waiting(name)))
    let otherWaiting = backlogs.reduce((sum, { count }) => sum + count, 0)
    let otherRunning = await store.running()
    for (const [at, tenant] of tenants.entries()) {
      const waiting = queues.reduce((sum, queue) => sum + (queue[at]?.waiting ?? 0), 0)
      const running = queues.reduce((sum, queue) => sum + (queue[at]?.running ?? 0), 0)
      metrics.tenantWaiting({ tenant }).set(waiting)
      metrics.tenantRunning({ tenant }).set(running)
      otherWaiting -= waiting
      otherRunning -= running
    }
    // Between two readings some may have moved on.
    metrics.tenantWaiting({ tenant: 'other' }).set(Math.max(0, otherWaiting))
    metrics.tenantRunning({ tenant: 'other' }).set(Math.max(0, otherRunning))
  })
}

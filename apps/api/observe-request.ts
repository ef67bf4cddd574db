import type { Metrics } from '#libs/telemetry'

/** A request that was answered, over whatever connection. */
export interface AnsweredRequest {
  endpoint: string
  tenant: string
  status: number
  /** By the clock of `performance`. */
  startedAtMs: number
}

export function observeRequest(
  metrics: Pick<Metrics, 'requests' | 'requestDuration'>,
  { endpoint, tenant, status, startedAtMs }: AnsweredRequest,
): void {
  const outcome = status < 400 ? 'ok' : 'error'
  metrics.requests({ endpoint, tenant, status: `${Math.floor(status / 100)}xx`, outcome }).inc()
  metrics.requestDuration({ endpoint }).observe((performance.now() - startedAtMs) / 1000)
}

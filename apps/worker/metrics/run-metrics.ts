import type { Pace, RunEnd, RunSpec } from '#libs/runs'
import type { Metrics } from '#libs/telemetry'
import type { Claim } from '../calls/journey.ts'

/** What a worker counts of its runs. */
export interface RunMetrics {
  onClaimed(claim: Pick<Claim, 'spec' | 'claimedAtMs' | 'progress'>): void
  /** The worker lets go of a run that it claimed, however that came. */
  onReleased(spec: RunSpec): void
  onEnded(spec: RunSpec, end: RunEnd): void
}

export function createRunMetrics(metrics: Metrics, pace: Pick<Pace, 'began'>): RunMetrics {
  return {
    onClaimed({ spec: { provider, tenant, lane, createdAtMs }, claimedAtMs, progress }) {
      pace.began(provider)
      // One that was given back has been claimed before.
      if (progress === undefined) {
        metrics.queueWait({ provider, lane }).observe(Math.max(0, claimedAtMs - createdAtMs) / 1000)
      }
      metrics.inFlight({ provider }).inc()
      metrics.tenantRunning({ tenant }).inc()
    },
    onReleased({ provider, tenant }) {
      metrics.inFlight({ provider }).dec()
      metrics.tenantRunning({ tenant }).dec()
    },
    onEnded(spec, end) {
      const { provider, target: model } = spec
      if (end.firstFrameAtMs !== null) {
        metrics.timeToFirstToken({ provider, model }).observe((end.firstFrameAtMs - spec.createdAtMs) / 1000)
      }
      if (spec.stream && end.firstFrameAtMs !== null && end.frames > 1) {
        const gapMs = (end.endedAtMs - end.firstFrameAtMs) / (end.frames - 1)
        metrics.interTokenGap({ provider }).observe(gapMs / 1000)
      }
      for (const attempt of end.attempts) {
        metrics
          .providerLatency({ provider: attempt.provider, model: attempt.model })
          .observe(attempt.durationMs / 1000)
        if (attempt.outcome !== 'ok') {
          metrics.providerErrors({ provider: attempt.provider, code: attempt.outcome }).inc()
        }
      }
      countCosts(metrics, spec, end)
      const { inputTokens, outputTokens, cacheReadTokens, reasoningTokens } = end.usage ?? {}
      const kinds = {
        input: inputTokens,
        output: outputTokens,
        cache_read: cacheReadTokens,
        reasoning: reasoningTokens,
      }
      for (const [kind, tokens] of Object.entries(kinds)) {
        if (tokens !== undefined) metrics.tokens({ provider, model, kind }).inc(tokens)
      }
    },
  }
}

function countCosts(
  metrics: Metrics,
  { provider, target, tenant }: RunSpec,
  { attempts, cost }: RunEnd,
): void {
  let unknown = 0
  for (const call of attempts) {
    const labels = { provider: call.provider, model: call.model, tenant }
    if (typeof call.cost?.nanodollars === 'number') metrics.cost(labels).inc(call.cost.nanodollars / 1e9)
    if (call.cost?.nanodollars !== null) continue
    metrics.costUnknown(labels).inc()
    unknown++
  }
  // A worker that was lost has told of no call, and may have made one.
  if (cost?.nanodollars === null && unknown === 0)
    metrics.costUnknown({ provider, model: target, tenant }).inc()
}

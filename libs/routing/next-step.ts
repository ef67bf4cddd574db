/** The name of a target, by which a run remembers it. */
export function targetName({ provider, model }: { provider: string; model: string }): string {
  return `${provider}/${model}`
}

/** What a run has found out about its candidates. */
export interface Findings {
  /** Those that are of no use to it any more, by {@link targetName}. */
  left: readonly string[]
  /** Until when a candidate has no capacity, by {@link targetName}. */
  limitedUntilMs: Readonly<Record<string, number>>
}

/** Where a run goes next: at once, after a wait, or nowhere; then `soonestMs` is when one could have taken it. */
export type NextStep<Candidate> =
  | { status: 'call'; candidate: Candidate }
  | { status: 'wait'; candidate: Candidate; untilMs: number }
  | { status: 'none'; soonestMs?: number }

/**
 * Chooses where a run goes next. Tiers are asked in their order, and a later one only when the earlier have nobody
 * left who could take the run in time: within a tier whoever is free goes before who is not, and waiting for the one
 * who is free first goes before the next tier, as long as it is over by `waitLimitMs`.
 */
export function nextStep<Candidate extends { provider: string; model: string }>(
  tiers: readonly (readonly Candidate[])[],
  { left, limitedUntilMs }: Findings,
  { nowMs, waitLimitMs }: { nowMs: number; waitLimitMs: number },
): NextStep<Candidate> {
  let soonestMs: number | undefined
  for (const tier of tiers) {
    let first: { candidate: Candidate; untilMs: number } | undefined
    for (const candidate of tier) {
      const name = targetName(candidate)
      if (left.includes(name)) continue
      const untilMs = limitedUntilMs[name] ?? 0
      if (untilMs <= nowMs) return { status: 'call', candidate }
      if (first === undefined || untilMs < first.untilMs) first = { candidate, untilMs }
    }
    if (first === undefined) continue
    if (first.untilMs <= waitLimitMs) return { status: 'wait', ...first }
    soonestMs = Math.min(soonestMs ?? first.untilMs, first.untilMs)
  }
  return { status: 'none', ...(soonestMs !== undefined && { soonestMs }) }
}

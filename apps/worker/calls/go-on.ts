import type { ErrorCode } from '#libs/core'
import { nextAfter, nextStep, targetName, type NextStep } from '#libs/routing'
import type { RunSpec } from '#libs/runs'
import { callsTo, currentTarget, type Journey } from './journey.ts'
import type { Candidate } from './routes.ts'

/** Chooses where a run goes that its target has failed or can't take now; `code` tells why, if it failed. */
export function chooseNext(journey: Journey, code: ErrorCode | undefined): NextStep<Candidate> {
  const { claim, routes, progress, deadlineAtMs } = journey
  const { spec } = claim
  const nowMs = Date.now()
  const waitLimitMs = deadlineAtMs ?? (progress.waitsSinceMs ?? nowMs) + routes.maxWaitMs
  const choose = (fallbacks: readonly string[]): NextStep<Candidate> => {
    const tiers = routes.tiersOf(spec, fallbacks)
    const ill = findIll(journey, tiers.flat())
    const left = [...progress.left, ...Object.keys(ill)]
    const step = nextStep(tiers, { ...progress, left }, { nowMs, waitLimitMs })
    const isLastChoice = step.status === 'none' && progress.fallbacks !== undefined
    if (!isLastChoice || spec.lane === 'interactive') return step
    // Nobody sits and waits for the answer, so that it may as well come when a target is well again.
    const limitedUntilMs = { ...progress.limitedUntilMs, ...ill }
    return nextStep(tiers, { left: progress.left, limitedUntilMs }, { nowMs, waitLimitMs })
  }
  const step = choose(progress.fallbacks ?? [])
  if (step.status !== 'none' || progress.fallbacks !== undefined) return step
  progress.fallbacks = [...routes.fallbacksOf(spec, code)]
  return choose(progress.fallbacks)
}

/** Until when candidates are not to be called, since they are ill. */
function findIll({ health, illUntilMs }: Journey, candidates: readonly Candidate[]): Record<string, number> {
  const nowMs = Date.now()
  const ill = candidates.flatMap((candidate) => {
    const name = targetName(candidate)
    const { circuit, untilMs } = health.look(candidate)
    const until = Math.max(illUntilMs.get(name) ?? 0, circuit === 'open' ? untilMs : 0)
    return until > nowMs ? [[name, until] as const] : []
  })
  return Object.fromEntries(ill)
}

/** Notes that the target has no capacity before this time. */
export function noteLimit({ progress }: Journey, target: string, untilMs: number): void {
  progress.limitedUntilMs[target] = untilMs
}

/**
 * Gives up the target that is called now. An error that the other targets of the requested model would answer too gives
 * up all of these.
 */
export function leaveTarget(journey: Journey, code: ErrorCode): void {
  const { claim, routes, progress } = journey
  const next = nextAfter(code)
  const isOfModel = next === 'context-window' || next === 'content-policy'
  const others = isOfModel && claim.spec.fallback === undefined ? routes.tiersOf(claim.spec, []).flat() : []
  progress.left.push(...new Set([currentTarget(journey), ...others.map(targetName)]))
}

/** How many candidates the run has not been to; each is to get one call before another gets too many. */
export function countUntried({ claim, routes, progress }: Journey, code: ErrorCode): number {
  const { spec } = claim
  const names = routes
    .tiersOf(spec, progress.fallbacks ?? routes.fallbacksOf(spec, code))
    .flat()
    .map(targetName)
  const untried = names.filter(
    (name) => !progress.left.includes(name) && callsTo(name, progress).length === 0,
  )
  return new Set(untried).size
}

/** The run as it is for another target. */
export function withTarget(spec: RunSpec, { provider, model, fallback }: Candidate): RunSpec {
  const { fallback: _before, ...rest } = spec
  return { ...rest, provider, target: model, ...(fallback !== undefined && { fallback }) }
}

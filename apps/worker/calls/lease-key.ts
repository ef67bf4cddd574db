import { setTimeout as sleep } from 'node:timers/promises'
import { estimateUse } from '#libs/dialects'
import type { KeyCall, Lease, LeaseResult } from '#libs/keys'
import type { Claim, Journey } from './journey.ts'
import type { WorkerProvider } from './worker-provider.ts'

/** What a lease is asked for. */
interface Wanted {
  target: string
  exclude: ReadonlySet<string>
}

/**
 * A key for the next call, if its provider needs one, and a place under every limit that holds for it. The one whose
 * prompt cache is thought to hold the beginning comes first, and is waited for a little if that is worth much.
 */
export async function leaseKey(journey: Journey, { target, exclude }: Wanted): Promise<LeaseResult> {
  const { claim, provider, progress } = journey
  const preferred = preferredKey(claim, target)
  const prefer = preferred !== undefined && !exclude.has(preferred.key) ? preferred.key : undefined
  const isFirst = progress.attempts.length === 0 && progress.waitsSinceMs === undefined
  if (prefer !== undefined && preferred?.isWorthWaiting && isFirst) {
    const lease = await waitForKey(journey, target, prefer)
    if (lease !== undefined) return lease
  }
  return provider.keys.lease(toCall(claim, { target, exclude, prefer }))
}

function toCall(claim: Claim, wanted: Wanted & { prefer?: string | undefined }): KeyCall {
  const { target, exclude, prefer } = wanted
  const { rid, lane } = claim.spec
  return {
    rid,
    lane,
    target,
    exclude,
    ...(prefer !== undefined && { prefer }),
    // Reading the body again is worth it only where tokens are limited.
    get tokens() {
      return estimateClaim(claim)
    },
  }
}

/** The key that was chosen for this very target. */
function preferredKey(
  { spec: { provider, routing } }: Claim,
  target: string,
): { key: string; isWorthWaiting: boolean } | undefined {
  if (routing === undefined || routing.key === null || routing.preference === 'none') return undefined
  if (routing.provider !== provider || routing.model !== target) return undefined
  return { key: routing.key, isWorthWaiting: routing.preference === 'strong' }
}

/** `undefined` if it will not be free soon enough. */
async function waitForKey(
  { claim, provider, routes, held }: Journey,
  target: string,
  key: string,
): Promise<Lease | undefined> {
  const exclude = new Set(provider.config.keys.flatMap(({ name }) => (name === key ? [] : [name])))
  const untilMs = Date.now() + routes.policyOf(claim.spec).cacheWaitMs
  for (;;) {
    const result = await provider.keys.lease(toCall(claim, { target, exclude }))
    if (result.status === 'leased') return result
    if (result.status === 'none') return undefined
    result.leave()
    if (result.untilMs > untilMs) return undefined
    await sleep(Math.max(1, result.untilMs - Date.now()), undefined, { signal: held.signal })
  }
}

/** The provider as the leased key reaches it: a key may have an address of its own. */
export function toLeased(
  { spec, connected, endpoints }: WorkerProvider,
  { name }: Lease,
): Pick<WorkerProvider, 'spec' | 'connected'> {
  return { spec, connected: (name === null ? undefined : endpoints.get(name)) ?? connected }
}

function estimateClaim({ spec, body }: Claim): number {
  return estimateUse(spec.bodyType === undefined ? JSON.parse(body) : {})
}

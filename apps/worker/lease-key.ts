import { estimateUse } from '#libs/dialects'
import type { Lease, LeaseResult } from '#libs/keys'
import type { Claim, Journey } from './journey.ts'
import type { WorkerProvider } from './worker-provider.ts'

/** A key for the next call, if its provider needs one, and a place under every limit that holds for it. */
export function leaseKey(
  { claim, provider }: Journey,
  { target, exclude }: { target: string; exclude: ReadonlySet<string> },
): Promise<LeaseResult> {
  const { rid, lane } = claim.spec
  return provider.keys.lease({
    rid,
    lane,
    target,
    exclude,
    // Reading the body again is worth it only where tokens are limited.
    get tokens() {
      return estimateClaim(claim)
    },
  })
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

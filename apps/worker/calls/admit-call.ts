import type { Lease, LeaseResult } from '#libs/keys'
import type { AdmittedCall } from '#libs/routing'
import type { Journey } from './journey.ts'
import { leaseKey } from './lease-key.ts'

/** A call that may be made now. */
export interface ReadyCall {
  status: 'ready'
  admitted: AdmittedCall
  lease: Lease
}

/** The target is ill, and not to be called before. */
export interface Illness {
  status: 'open'
  untilMs: number
}

/** Which call it is to be, if not the run's next. */
export interface CallWish {
  /** The provider's name for the model. */
  model?: string
  /** The names of keys that are not to be used. */
  spentKeys?: ReadonlySet<string>
}

/** Whether a call may be made now. */
export type Readiness = ReadyCall | Illness | Exclude<LeaseResult, Lease>

/**
 * Gets a key for the next call, and the leave of the circuits. Keys with which calls fail are passed over as long as
 * there are others.
 */
export async function admitCall(journey: Journey, wish: CallWish = {}): Promise<Readiness> {
  const { claim, provider, health } = journey
  const { model = claim.spec.target, spentKeys = journey.spentKeys } = wish
  const target = { provider: claim.spec.provider, model }
  const { circuit, untilMs, sickKeys } = health.look(target)
  // Without taking a key's place in vain.
  if (circuit === 'open') return { status: 'open', untilMs }
  const passedOver = new Set(sickKeys)
  for (;;) {
    const hasOthers = provider.config.keys.some(({ name, weight }) => {
      return weight > 0 && !spentKeys.has(name) && !passedOver.has(name)
    })
    const exclude = hasOthers ? spentKeys.union(passedOver) : spentKeys
    const lease = await leaseKey(journey, { target: model, exclude })
    if (lease.status !== 'leased') {
      if (lease.status === 'wait' && exclude.size === 0) health.rest(target, lease.untilMs)
      return lease
    }
    // The last keys are used although they are sick: whether the target itself is, its own circuit tells.
    const key = lease.name !== null && passedOver.has(lease.name) ? null : lease.name
    const admitted = await health.admit(target, key)
    if (admitted.status !== 'open') return { status: 'ready', admitted, lease }
    lease.release({ isUnused: true })
    if (admitted.of === 'target' || lease.name === null) return { status: 'open', untilMs: admitted.untilMs }
    passedOver.add(lease.name)
  }
}

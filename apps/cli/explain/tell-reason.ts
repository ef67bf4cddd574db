import type { Target, TargetView } from '#libs/routing'

/** What a target is told by. */
export interface Told {
  strategy: string
  target: Target
  view: TargetView
  /** In US dollars, of a million tokens in and a million out. */
  price: number | undefined
  /** The sum of the weights that share its requests. */
  weights: number
}

/** Why a target stands where it stands, in a few words. */
export function tellReason({ strategy, target, view, price, weights }: Told): string {
  const { circuit, isResting, untilMs } = view
  const seconds = Math.max(1, Math.ceil((untilMs - Date.now()) / 1000))
  if (circuit === 'open')
    return `its circuit is open: it failed too often, and is tried again in ${seconds} s`
  if (isResting) return `it is at its limits for ${seconds} s`
  const chosen =
    tellers[strategy]?.({ strategy, target, view, price, weights }) ?? tellWeight(target, weights)
  if (circuit === 'closed') return chosen
  return `its circuit is half-open: the next request that comes first to it tries whether it is well; ${chosen}`
}

function tellWeight({ weight }: Target, weights: number): string {
  return `it takes ${Math.round((100 * weight) / weights)} % of the requests, by its weight`
}

const tellLoad = ({ view }: Told): string => `${view.inFlight} of its calls run`

const tellers: Readonly<Record<string, (told: Told) => string>> = {
  priority: () => 'by its place in the list',
  'least-busy': tellLoad,
  'cache-aware': tellLoad,
  'lowest-latency': ({ view: { latencyMs } }) =>
    latencyMs === undefined
      ? 'nobody knows how quick it is, so it is tried'
      : `its first byte takes ${Math.round(latencyMs)} ms`,
  'lowest-cost': ({ price }) => {
    return price === undefined ? 'its price is unknown' : `a million tokens in and out cost $${price}`
  },
  'usage-based': ({ view: { requestsThisMinute, tokensThisMinute } }) =>
    `${requestsThisMinute} requests and ${tokensThisMinute} tokens this minute`,
}

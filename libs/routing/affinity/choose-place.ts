import type { CacheDecision } from '#libs/core'
import type { TargetView } from '../health/health.ts'
import type { Target } from '../router.ts'
import type { Fingerprints } from './fingerprints.ts'
import type { KnownPlace, Place } from './known-places.ts'

/** What a provider says of its prompt cache. */
export interface CacheFacts {
  /** How long a prefix is kept after it was last used. */
  readonly lifetimeMs: number
  /** Shorter ones are not kept. */
  readonly minTokens: number
}

/**
 * How much a cache must be expected to save for its key to be preferred: in money where the price is known, in tokens
 * where it is not.
 */
export interface AffinityThresholds {
  readonly strongNanodollars: number
  readonly mildNanodollars: number
  readonly strongTokens: number
  readonly mildTokens: number
}

/** What a choice goes by. */
export interface CacheKnowledge {
  thresholds: AffinityThresholds
  look: (target: Target) => TargetView
  /** Undefined for a provider without a cache. */
  factsOf: (provider: string) => CacheFacts | undefined
  /** Nanodollars by which so many tokens of the prompt are cheaper from the cache; undefined if nobody knows. */
  savingOf: (place: Place, tokens: { prompt: number; cached: number }) => number | undefined
  nowMs: number
}

/** What was chosen, and what its run is to remember. */
export interface ChosenPlace {
  target: Target
  decision: CacheDecision
  /** Of the place that is preferred. */
  misses: number
}

/** A place, and what its cache is worth to this request. */
interface Offer extends KnownPlace {
  target: Target
  reason: 'prefix' | 'session'
  cachedTokens: number
  likelyTokens: number
  saving: number | undefined
}

/** A beginning that more requests than this have repeated at one place is not one conversation's own. */
const sharedAfterUses = 4
/** A shared beginning is brought to another key when each that has it was used so often for each key that has it. */
const spreadAfterUses = 10
/** A conversation whose beginning was changed has at best a part of it in the cache. */
const sessionConfidence = 0.5

/**
 * Prefers the place whose cache is expected to save most, if that is worth it, among the candidates of the first order;
 * else the first candidate, so that new conversations go where there is least to do.
 */
export function choosePlace(
  candidates: readonly [Target, ...Target[]],
  fingerprints: Fingerprints,
  found: ReadonlyMap<string, readonly KnownPlace[]>,
  knowledge: CacheKnowledge,
): ChosenPlace {
  const offers = readOffers(candidates, fingerprints, found, knowledge)
  const best = offers.toSorted(byWorth)[0]
  const offer = best && leastUsed(best, offers)
  const preference = offer === undefined ? 'none' : preferenceFor(offer, knowledge)
  if (offer === undefined || preference === 'none') return balance(candidates[0])
  const { target, reason, key, misses, cachedTokens, saving } = offer
  const { provider, model } = target
  return {
    target,
    misses,
    decision: {
      provider,
      model,
      key,
      reason,
      preference,
      cachedTokens,
      expectedSavingNanodollars: saving === undefined ? null : Math.round(saving),
    },
  }
}

function balance(target: Target): ChosenPlace {
  const { provider, model } = target
  const nothing = { key: null, preference: 'none', cachedTokens: 0, expectedSavingNanodollars: 0 } as const
  return { target, misses: 0, decision: { provider, model, reason: 'balance', ...nothing } }
}

/** One for each place: what it has by prefix, else by session. */
function readOffers(
  candidates: readonly [Target, ...Target[]],
  { known, session }: Fingerprints,
  found: ReadonlyMap<string, readonly KnownPlace[]>,
  knowledge: CacheKnowledge,
): Offer[] {
  const [{ order: firstOrder = 1 }] = candidates
  const usable = candidates.filter(({ order = 1 }) => order === firstOrder)
  const prompt = known[0]?.tokens ?? session?.tokens ?? 0
  const offers = new Map<string, Offer>()
  const add = (place: KnownPlace, reason: Offer['reason'], certainty: number): void => {
    const name = JSON.stringify([place.provider, place.model, place.key])
    const target = usable.find(({ provider, model }) => provider === place.provider && model === place.model)
    const offer =
      target && !offers.has(name) && toOffer({ ...place, target, reason }, certainty, prompt, knowledge)
    if (offer) offers.set(name, offer)
  }
  for (const { digest } of known) for (const place of found.get(digest) ?? []) add(place, 'prefix', 1)
  for (const place of found.get(session?.digest ?? '') ?? []) add(place, 'session', sessionConfidence)
  return [...offers.values()]
}

function toOffer(
  place: KnownPlace & Pick<Offer, 'target' | 'reason'>,
  certainty: number,
  prompt: number,
  { look, factsOf, savingOf, nowMs }: CacheKnowledge,
): Offer | undefined {
  const facts = factsOf(place.provider)
  const { circuit, sickKeys } = look(place.target)
  if (facts === undefined || circuit !== 'closed') return undefined
  if (place.key !== null && sickKeys.includes(place.key)) return undefined
  const isKept = place.tokens >= facts.minTokens
  const confidence = (certainty * freshness(nowMs - place.seenAtMs, facts.lifetimeMs)) / 2 ** place.misses
  if (confidence === 0 || (!isKept && place.reason === 'prefix')) return undefined
  const cachedTokens = isKept ? Math.min(place.tokens, Math.max(prompt, 1)) : 0
  const saving = savingOf(place, { prompt: Math.max(prompt, cachedTokens), cached: cachedTokens })
  return {
    ...place,
    cachedTokens,
    likelyTokens: cachedTokens * confidence,
    saving: saving === undefined ? undefined : saving * confidence,
  }
}

/** Sure for half of the lifetime, then less and less so. */
function freshness(ageMs: number, lifetimeMs: number): number {
  return Math.min(1, Math.max(0, 2 * (1 - ageMs / lifetimeMs)))
}

/** Of places that have the same, the one that was used least; none where it is time to bring it to another. */
function leastUsed(best: Offer, offers: readonly Offer[]): Offer | undefined {
  if (best.uses <= sharedAfterUses) return best
  const same = offers.filter(({ reason, likelyTokens }) => {
    return reason === best.reason && likelyTokens >= 0.9 * best.likelyTokens
  })
  const least = same.toSorted((left, right) => left.uses - right.uses)[0]
  const isWellUsed = best.reason === 'prefix' && (least?.uses ?? 0) >= spreadAfterUses * same.length
  return isWellUsed ? undefined : least
}

function preferenceFor(offer: Offer, { thresholds, look }: CacheKnowledge): CacheDecision['preference'] {
  const { saving, likelyTokens, reason, uses, target } = offer
  const [worth, strong, mild] =
    saving === undefined
      ? [likelyTokens, thresholds.strongTokens, thresholds.mildTokens]
      : [saving, thresholds.strongNanodollars, thresholds.mildNanodollars]
  // Nobody waits for what many share: it is soon elsewhere too.
  const isShared = reason === 'prefix' && uses > sharedAfterUses
  if (worth >= strong && !isShared) return 'strong'
  const isFree = look(target).untilMs === 0
  return isFree && (worth >= mild || reason === 'session') ? 'mild' : 'none'
}

function byWorth(left: Offer, right: Offer): number {
  const arePriced = left.saving !== undefined && right.saving !== undefined
  const worth = (offer: Offer): number => (arePriced ? (offer.saving ?? 0) : offer.likelyTokens)
  return worth(right) - worth(left) || right.seenAtMs - left.seenAtMs
}

/** After which nothing is known of any of the caches. */
export function longestLifetime(caches: ReadonlyMap<string, CacheFacts>): number {
  return Math.max(1, ...[...caches.values()].map(({ lifetimeMs }) => lifetimeMs))
}

import { toDollars } from '#libs/core'
import type { ExplainedKey, ExplainedTarget, Explanation } from './explain-model.ts'

/** For people. */
export function formatExplanation(explanation: Explanation): string {
  const { targets, blindness } = explanation
  return [
    toHead(explanation),
    ...toAffinity(explanation),
    ...(blindness === null ? [] : [`How the targets fare is not known: ${blindness}`]),
    '',
    ...targets.flatMap((target, index) =>
      toLines(target, {
        place: index + 1,
        isBlind: blindness !== null,
        isCacheAware: explanation.cacheAffinity !== null,
      }),
    ),
    '',
    ...toTail(explanation),
  ].join('\n')
}

function toHead({ model, servedBy, matched, strategy }: Explanation): string {
  if (servedBy === null) return `${model} is no model of the configuration, and is read as provider/model.`
  const how = matched === 'name' ? '' : ` is served by ${servedBy} (${matched}), which`
  return `${model}${how} chooses among its targets by ${strategy}.`
}

/** A prompt decides as well, and there is none here. */
function toAffinity({ cacheAffinity }: Explanation): string[] {
  if (cacheAffinity === null) return []
  const { strongNanodollars, strongTokens, mildNanodollars, mildTokens, waitMs } = cacheAffinity
  const worth = (nanodollars: number, tokens: number): string => {
    return `$${toDollars(nanodollars)}, or ${tokens} tokens without a price`
  }
  return [
    'A key whose prompt cache holds the beginning of a request goes first',
    `   if it is free and saves ${worth(mildNanodollars, mildTokens)};`,
    `   even if it must be waited for, up to ${waitMs} ms, if it saves ${worth(strongNanodollars, strongTokens)}.`,
    'Requests with nothing in a cache are routed as follows.',
  ]
}

function toLines(
  target: ExplainedTarget,
  { place, isBlind, isCacheAware }: { place: number; isBlind: boolean; isCacheAware: boolean },
): string[] {
  const { provider, model, order, reason, circuit, limits, keys, promptCache, breaker } = target
  const { inFlight, latencyMs, requestsThisMinute, tokensThisMinute } = target
  const latency = latencyMs === null ? 'latency unknown' : `first byte after ${Math.round(latencyMs)} ms`
  const load = `${inFlight} in flight, ${requestsThisMinute} requests and ${tokensThisMinute} tokens this minute`
  const lines = [
    ...(isBlind ? [] : [`circuit ${circuit}; ${latency}; ${load}`]),
    ...(limits === null ? [] : [`limits: ${toPairs(limits)}`]),
    ...(keys.length === 0 ? [] : [`keys: ${keys.map(toKey).join(', ')}`]),
    ...(isCacheAware ? [toCacheFacts(promptCache)] : []),
    breaker.openMs === 0 ? 'it never rests' : `rests ${breaker.openMs} ms at first when it fails too often`,
  ]
  return [
    `${place}. ${provider}/${model}${order === 1 ? '' : ` (order ${order})`}: ${reason}`,
    ...lines.map((line) => `   ${line}`),
  ]
}

function toCacheFacts(cache: ExplainedTarget['promptCache']): string {
  if (cache === null) return 'its provider keeps nothing of prompts'
  return `its prompt cache: from ${cache.minTokens} tokens on, for ${cache.lifetimeMs / 1000} s`
}

const whyKeysRest = {
  limited: 'at its limit',
  refused: 'refused by the provider',
  sick: 'calls with it fail',
}

function toKey({ name, resting }: ExplainedKey): string {
  return resting === null ? name : `${name} (rests: ${whyKeysRest[resting]})`
}

function toTail({ fallbacks, deadlineMs, retries, retryDelayMs }: Explanation): string[] {
  const lists = Object.entries(fallbacks).filter(([, models]) => models !== undefined)
  return [
    `Fallbacks: ${lists.length === 0 ? 'none' : lists.map(([kind, models]) => `${toWords(kind)}: ${models.join(', ') || 'none'}`).join('; ')}`,
    `Deadline: ${deadlineMs === null ? 'none' : `${deadlineMs} ms`}`,
    `Retries: ${toPairs(retries) || 'as the gateway has them'}${retryDelayMs === null ? '' : `, ${retryDelayMs} ms apart at least`}`,
  ]
}

function toPairs(settings: object): string {
  return Object.entries(settings)
    .map(([name, value]) => `${toWords(name)} ${String(value)}`)
    .join(', ')
}

function toWords(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

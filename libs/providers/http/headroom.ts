import type { Headroom, KeyHeadroom } from '#libs/core'

type Headers = Readonly<Record<string, string>>

/** OpenAI's headers, which most who are compatible send: `x-ratelimit-remaining-requests` and its neighbours. */
export function readOpenAiHeadroom(headers: Headers): KeyHeadroom {
  return readEach(['requests', 'tokens'], (kind) => {
    const told = (what: string): string | undefined => headers[`x-ratelimit-${what}-${kind}`]
    return toHeadroom(told('limit'), told('remaining'), readDurationMs(told('reset')))
  })
}

/** Anthropic's headers: `anthropic-ratelimit-requests-remaining` and its neighbours, with times in RFC 3339. */
export function readAnthropicHeadroom(headers: Headers, nowMs = Date.now()): KeyHeadroom {
  return readEach(['requests', 'tokens', 'input_tokens', 'output_tokens'], (kind) => {
    const told = (what: string): string | undefined =>
      headers[`anthropic-ratelimit-${kind.replace('_', '-')}-${what}`]
    const resetAtMs = Date.parse(told('reset') ?? '')
    return toHeadroom(told('limit'), told('remaining'), resetAtMs - nowMs)
  })
}

function readEach(
  kinds: readonly (keyof KeyHeadroom)[],
  read: (kind: keyof KeyHeadroom) => Headroom | undefined,
): KeyHeadroom {
  return Object.fromEntries(
    kinds.flatMap((kind) => {
      const headroom = read(kind)
      return headroom === undefined ? [] : [[kind, headroom]]
    }),
  )
}

/** Nothing can be made of what is left without knowing until when. */
function toHeadroom(limit: string | undefined, remaining: string | undefined, resetMs: number) {
  const left = toNumber(remaining)
  if (left === undefined || Number.isNaN(resetMs)) return undefined
  const most = toNumber(limit)
  return { remaining: left, resetMs: Math.max(0, resetMs), ...(most !== undefined && { limit: most }) }
}

function toNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,15}$/.test(text) ? Math.max(0, Number(text)) : undefined
}

const unitMs: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

/** `6m0s`, `1s`, `20ms`, `7.66s`; a bare number is seconds, as some who are compatible have it. NaN for all else. */
function readDurationMs(text = ''): number {
  if (/^\d{1,8}(?:\.\d{1,9})?$/.test(text)) return Math.ceil(Number(text) * 1_000)
  if (!/^(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[dhms]))+$/.test(text)) return NaN
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[dhms])/g)]
  return Math.ceil(
    parts.reduce((sum, [, number, unit = '']) => sum + Number(number) * (unitMs[unit] ?? 0), 0),
  )
}

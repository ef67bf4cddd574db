const maxWaitMs = 24 * 60 * 60 * 1000

/**
 * How long a provider asks to wait, in milliseconds from `nowMs`: `retry-after-ms`, else `retry-after` in seconds or
 * as a date. A day at most, since a mad value must not become a timer; `undefined` if there is none to be read.
 */
export function readRetryAfterMs(headers: Record<string, string>, nowMs = Date.now()): number | undefined {
  return toWaitMs(headers['retry-after-ms'], 1) ?? readRetryAfter(headers['retry-after'], nowMs)
}

function readRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  const waitMs = toWaitMs(text, 1000)
  if (waitMs !== undefined || text === undefined) return waitMs
  // An HTTP date begins with its weekday; without this, Date.parse takes `-1` for a month.
  const dateMs = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : NaN
  return Number.isNaN(dateMs) ? undefined : clamp(dateMs - nowMs)
}

function toWaitMs(text: string | undefined, unitMs: number): number | undefined {
  return text !== undefined && /^\d+(?:\.\d+)?$/.test(text) ? clamp(Number(text) * unitMs) : undefined
}

function clamp(waitMs: number): number {
  return Math.ceil(Math.min(Math.max(waitMs, 0), maxWaitMs))
}

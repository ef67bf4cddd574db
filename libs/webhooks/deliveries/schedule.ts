const longestMs = 24 * 60 * 60_000
/** So that what failed together does not come again together. */
const jitter = 0.1

/**
 * Milliseconds until the attempt that follows this many failed ones, or `undefined` when none is left. A receiver that
 * says `Retry-After` is not asked before.
 */
export function nextDelayMs(
  schedule: readonly number[],
  { attempts, retryAfter }: { attempts: number; retryAfter: string | undefined },
): number | undefined {
  const planned = schedule[attempts - 1]
  if (planned === undefined) return undefined
  const jittered = planned * (1 + jitter * (2 * Math.random() - 1))
  return Math.round(Math.max(jittered, Math.min(readRetryAfterMs(retryAfter), longestMs)))
}

function readRetryAfterMs(value: string | undefined): number {
  if (value === undefined) return 0
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  const atMs = Date.parse(value)
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - Date.now())
}

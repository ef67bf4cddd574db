import type { RawAnswer } from './exchange.ts'

/**
 * The path that an answer leads to, which ends it; `undefined` if it leads nowhere else on the same server. What leads
 * away from that would take the key along.
 */
export function readRedirect(answer: RawAnswer, origin: string): string | undefined {
  const { status, headers } = answer
  const url = status >= 300 && status < 400 ? URL.parse(headers.location ?? '', origin) : null
  if (url?.origin !== origin) return undefined
  answer.stop()
  return url.pathname + url.search
}

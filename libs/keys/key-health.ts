import type { ErrorCode, KeyHeadroom } from '#libs/core'
import type { CallOutcome, KeyCall, KeyPoolOptions, KeyView } from './key-pool.ts'
import { refusedMs, type KeyRests } from './key-rests.ts'

/** `due`: the provider refused the key a while ago, and it may be tried again. */
export type KeyCondition = { status: 'ready' | 'refused' | 'due' } | { status: 'rests'; untilMs: number }

/** What calls have taught of the keys of one provider. */
export interface KeyHealth {
  look(key: string, call: Pick<KeyCall, 'tokens'>): KeyCondition
  /** Whether the caller is the one that may try a refused key. */
  probe(key: string): Promise<boolean>
  /** `isProbe`: the call tried a key that was refused, and shows whether it works again. */
  learn(key: string, outcome: CallOutcome, isProbe: boolean): void
  view(key: string): KeyView
}

interface Options extends KeyPoolOptions {
  provider: string
  rests: KeyRests
  now: () => number
}

/** Where the provider does not say how long. A spent quota is not back in seconds. */
const restMsByCode: Partial<Record<ErrorCode, number>> = {
  rate_limit_exceeded: 5_000,
  insufficient_quota: 5 * 60_000,
}
/** A limit that is used up for longer, such as one of a day, is looked at again after this. */
const longestRestMs = 24 * 60 * 60 * 1000
/** The share of a limit from which on it matters how large a call is. */
const nearShare = 0.25

export function createKeyHealth({ provider, rests, now, readHeadroom, onRefused }: Options): KeyHealth {
  const learned = new Map<string, { headroom: KeyHeadroom; atMs: number }>()

  /** Only what has not been reset since. */
  function headroomOf(key: string): KeyHeadroom {
    const { headroom = {}, atMs = 0 } = learned.get(key) ?? {}
    const current = Object.entries(headroom).flatMap(([kind, room]) => {
      const resetMs = atMs + room.resetMs - now()
      return resetMs > 0 ? [[kind, { ...room, resetMs }] as const] : []
    })
    return Object.fromEntries(current)
  }

  /** A call that is larger than what is left would be refused. */
  function tooSmallUntilMs(key: string, call: Pick<KeyCall, 'tokens'>): number | undefined {
    const { headroom, atMs } = learned.get(key) ?? {}
    const room = headroom?.tokens
    if (room === undefined || atMs === undefined || atMs + room.resetMs <= now()) return undefined
    if (room.remaining >= (room.limit ?? Infinity) * nearShare || room.remaining >= call.tokens)
      return undefined
    return atMs + room.resetMs
  }

  function learnHeadroom(key: string, headers: Readonly<Record<string, string>>): void {
    const headroom = readHeadroom?.(headers) ?? {}
    const rooms = Object.values(headroom)
    if (rooms.length === 0) return
    learned.set(key, { headroom, atMs: now() })
    const spent = rooms.filter(({ remaining, resetMs }) => remaining <= 0 && resetMs > 0)
    if (spent.length === 0) return
    const restMs = Math.min(longestRestMs, Math.max(...spent.map(({ resetMs }) => resetMs)))
    rests.rest(provider, key, { reason: 'limited', restMs })
  }

  return {
    look(key, call) {
      const rest = rests.look(provider, key)
      if (rest?.reason === 'refused') return { status: rest.untilMs > now() ? 'refused' : 'due' }
      const untilMs = rest?.untilMs ?? tooSmallUntilMs(key, call)
      return untilMs === undefined ? { status: 'ready' } : { status: 'rests', untilMs }
    },
    probe: (key) => rests.probe(provider, key),
    learn(key, { error, headers }, isProbe) {
      if (headers !== undefined) learnHeadroom(key, headers)
      if (error === undefined) {
        if (isProbe) rests.clear(provider, key)
        return
      }
      if (error.code === 'upstream_auth_failed') {
        if (rests.look(provider, key)?.reason !== 'refused') onRefused?.(key)
        rests.rest(provider, key, { reason: 'refused', restMs: refusedMs })
        return
      }
      const restMs = restMsByCode[error.code]
      if (restMs === undefined) return
      if (isProbe) rests.clear(provider, key)
      rests.rest(provider, key, { reason: 'limited', restMs: error.retryAfterMs ?? restMs })
    },
    view: (key) => ({
      name: key,
      isRefused: rests.look(provider, key)?.reason === 'refused',
      headroom: headroomOf(key),
    }),
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { callApi } from './http.ts'

/** Tenants that share a provider with one that floods it. */
export interface FloodOptions {
  url: string
  model: string
  /** API keys of the others, and of the one that floods. */
  others: readonly string[]
  noisy: string
  /** Each of the others sends so many requests at once, and again in each round. */
  perBurst: number
  roundMs: number
  rounds: number
  /** How many times what the others send together the flood is; 0 leaves them alone. */
  times: number
}

const messages = [{ role: 'user', content: 'Hello' }]
/** A flood that the machine can't take would be a test of the machine. */
const mostOpenCalls = 16

/**
 * How long the requests of the others waited for a worker, in milliseconds, and how many the flood was. All are of the
 * same lane. When the others come, as many runs of the flood are there as it has to be, and it goes on at its rate.
 */
export async function measureWaits(options: FloodOptions): Promise<{ waits: number[]; flooded: number }> {
  const { others, perBurst, roundMs, rounds, times } = options
  const stop = new AbortController()
  const perRound = times * others.length * perBurst
  let flooded = await floodQueue(options, { count: perRound * rounds })
  const flood = floodQueue(options, { everyMs: roundMs / perRound, signal: stop.signal })
  const asked: Promise<number>[] = []
  for (let round = 0; round < rounds; round++) {
    for (let nth = 0; nth < perBurst; nth++) asked.push(...others.map((key) => ask(options, key)))
    await sleep(roundMs)
  }
  const waits = await Promise.all(asked)
  stop.abort()
  flooded += await flood
  return { waits, flooded }
}

/** The value that so great a part of all is not above. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.ceil(sorted.length * part) - 1] ?? 0
}

async function ask({ url, model }: FloodOptions, key: string): Promise<number> {
  const { status, headers, text } = await callApi(`${url}/v1/chat/completions`, {
    body: { model, messages },
    headers: { authorization: `Bearer ${key}` },
  })
  if (status !== 200) throw new Error(`One of the others was refused: ${status} ${text}`)
  return Number(headers.get('x-millrace-queue-ms'))
}

interface Extent {
  /** How many; without it, until the signal. */
  count?: number
  /** Infinity sends none. */
  everyMs?: number
  signal?: AbortSignal
}

/** Hands in runs, and gives how many; those that were refused count too. */
async function floodQueue(
  { url, model, noisy }: FloodOptions,
  { count = Infinity, everyMs = 0, signal }: Extent,
): Promise<number> {
  const headers = {
    authorization: `Bearer ${noisy}`,
    prefer: 'respond-async',
    'x-millrace-priority': 'interactive',
  }
  const startedMs = performance.now()
  let sent = 0
  const isDue = (): boolean => sent < count && sent * everyMs <= performance.now() - startedMs
  async function sendOn(): Promise<void> {
    while (sent < count && everyMs < Infinity && signal?.aborted !== true) {
      if (!isDue()) {
        await sleep(10)
        continue
      }
      sent += 1
      await callApi(`${url}/v1/chat/completions`, { body: { model, messages }, headers })
    }
  }
  await Promise.all(Array.from({ length: mostOpenCalls }, sendOn))
  return sent
}

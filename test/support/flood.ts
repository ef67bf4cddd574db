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
const floodEveryMs = 100

/**
 * How long the requests of the others waited for a worker, in milliseconds, and how many the flood was. All are of the
 * same lane.
 */
export async function measureWaits(options: FloodOptions): Promise<{ waits: number[]; flooded: number }> {
  const { others, perBurst, roundMs, rounds, times } = options
  const stop = new AbortController()
  const perSecond = (times * others.length * perBurst * 1000) / roundMs
  const flood = perSecond > 0 ? floodQueue(options, perSecond, stop.signal) : Promise.resolve(0)
  // It is there before the others come.
  if (times > 0) await sleep(roundMs / 2)
  const asked: Promise<number>[] = []
  for (let round = 0; round < rounds; round++) {
    for (let nth = 0; nth < perBurst; nth++) asked.push(...others.map((key) => ask(options, key)))
    await sleep(roundMs)
  }
  const waits = await Promise.all(asked)
  stop.abort()
  return { waits, flooded: await flood }
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

/** Hands in runs at this rate until it is stopped, and gives how many; what is refused counts too. */
async function floodQueue({ url, model, noisy }: FloodOptions, perSecond: number, signal: AbortSignal) {
  const headers = {
    authorization: `Bearer ${noisy}`,
    prefer: 'respond-async',
    'x-millrace-priority': 'interactive',
  }
  const startedMs = performance.now()
  const sent: Promise<unknown>[] = []
  while (!signal.aborted) {
    const due = ((performance.now() - startedMs) / 1000) * perSecond
    while (sent.length < due) {
      sent.push(callApi(`${url}/v1/chat/completions`, { body: { model, messages }, headers }))
    }
    await sleep(floodEveryMs)
  }
  await Promise.all(sent)
  return sent.length
}

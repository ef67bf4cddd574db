import autocannon from 'autocannon'
import { Client } from 'undici'

import { report, toPercentiles, type JsonLoad, type LoadResult } from './messages.ts'

/** Long enough for every process to have its hot paths compiled. */
const warmUpSeconds = 5

export async function runJsonLoad(load: JsonLoad): Promise<LoadResult> {
  return load.connections === 1 ? oneAfterTheOther(load) : manyAtOnce(load)
}

function body({ model }: JsonLoad): string {
  return JSON.stringify({ model, messages: [{ role: 'user', content: 'Tell me something in Latin.' }] })
}

async function manyAtOnce(load: JsonLoad): Promise<LoadResult> {
  const { url, connections } = load
  const headers = { ...load.headers, 'content-type': 'application/json' }
  const options = { url, connections, headers, method: 'POST', body: body(load) } as const
  await autocannon({ ...options, duration: warmUpSeconds })
  report({ type: 'window-start' })
  const result = await autocannon({ ...options, duration: load.seconds })
  report({ type: 'window-end', count: result['2xx'], seconds: result.duration })
  return {
    latencyMs: { p50: result.latency.p50, p99: result.latency.p99 },
    failures: result.non2xx + result.errors,
    ...(result.non2xx + result.errors > 0 && {
      failure: `${result.non2xx} answers other than 2xx, ${result.errors} connection errors`,
    }),
  }
}

/** By hand, since autocannon's histogram counts whole milliseconds. */
async function oneAfterTheOther(load: JsonLoad): Promise<LoadResult> {
  const { origin, pathname } = new URL(load.url)
  const client = new Client(origin, { headersTimeout: 10_000, bodyTimeout: 10_000 })
  const headers = { ...load.headers, 'content-type': 'application/json' }
  const request = { path: pathname, method: 'POST', headers, body: body(load) } as const
  let failures = 0

  async function repeatFor(seconds: number): Promise<number[]> {
    const latencies: number[] = []
    const endMs = performance.now() + seconds * 1000
    while (performance.now() < endMs) {
      const startMs = performance.now()
      const answer = await client.request(request)
      await answer.body.text()
      latencies.push(performance.now() - startMs)
      if (answer.statusCode !== 200) failures++
    }
    return latencies
  }

  await repeatFor(warmUpSeconds)
  failures = 0
  report({ type: 'window-start' })
  const latencies = await repeatFor(load.seconds)
  report({ type: 'window-end', count: latencies.length, seconds: load.seconds })
  await client.close()
  return {
    latencyMs: toPercentiles(latencies),
    failures,
    ...(failures > 0 && { failure: `${failures} answers other than 200` }),
  }
}

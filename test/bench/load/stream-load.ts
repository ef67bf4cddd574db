import { setTimeout } from 'node:timers/promises'

import { report, toPercentiles, type LoadResult, type Percentiles, type StreamLoad } from './messages.ts'
import { openStream, type OneStream, type StreamEnd } from './one-stream.ts'
import { fetchReferences, type Reference } from './reference.ts'

/** Opens all streams over the ramp, measures while all of them run, and waits until each has ended. */
export async function runStreamLoad(load: StreamLoad): Promise<LoadResult> {
  const references = await fetchReferences(load)
  const streams: OneStream[] = []
  const ends: StreamEnd[] = []
  const gaps = createGapHistogram()
  const deadlineMs = performance.now() + load.deadlineMs
  const inTime = () => performance.now() < deadlineMs

  await warmUp(load, references)
  const requests = references.map((reference) => toHttpRequest(load, load.model, reference))
  const port = Number(new URL(load.url).port)
  const { dialect } = load
  function open(index: number): void {
    const at = index % references.length
    const reference = references[at]!
    const request = requests[at]!
    const onEnd = (end: StreamEnd) => void ends.push(end)
    const onGap = (gapMs: number) => gaps.add(gapMs)
    streams.push(openStream({ port, request, dialect, reference, onGap, onEnd }))
  }

  const rampStartMs = performance.now()
  while (streams.length < load.streams) {
    const due = Math.ceil(((performance.now() - rampStartMs) / load.rampMs) * load.streams)
    while (streams.length < Math.min(due, load.streams)) open(streams.length)
    await setTimeout(5)
  }
  const begun = () => streams.filter((stream) => stream.firstTokenMs() !== undefined).length
  const progress = setInterval(() => {
    report({ type: 'progress', text: `${begun()} streams begun, ${ends.length} ended` })
  }, 5000)
  // A target that cannot keep up is measured all the same, while the first streams still run.
  const startByMs = rampStartMs + load.rampMs + load.startWithinMs
  while (begun() < load.streams && ends.length < load.streams && performance.now() < startByMs) {
    await setTimeout(50)
  }

  await measurePlateau(load, streams, () => streams.length - ends.length)
  while (ends.length < load.streams && inTime()) await setTimeout(50)
  clearInterval(progress)
  for (const stream of streams) stream.cut()
  return toResult(streams, ends, gaps)
}

const warmUpMs = 5_000

/** Rounds of whole answers, so that no target is measured while its code is still being compiled. */
async function warmUp(load: StreamLoad, references: Reference[]): Promise<void> {
  const port = Number(new URL(load.url).port)
  const endMs = performance.now() + warmUpMs
  while (performance.now() < endMs) {
    const streams = references.map((reference) => {
      const request = toHttpRequest(load, load.unpacedModel, reference)
      return new Promise<StreamEnd>((onEnd) => {
        openStream({ port, request, dialect: load.dialect, reference, onGap: () => {}, onEnd })
      })
    })
    await Promise.race([Promise.all(streams), setTimeout(10_000)])
  }
}

async function measurePlateau(load: StreamLoad, streams: OneStream[], countOpen: () => number) {
  const countTokens = () => streams.reduce((sum, stream) => sum + stream.tokens(), 0)
  const tokensBefore = countTokens()
  const startMs = performance.now()
  report({ type: 'window-start' })
  await setTimeout(load.plateauMs)
  report({
    type: 'window-end',
    count: countTokens() - tokensBefore,
    seconds: (performance.now() - startMs) / 1000,
    openStreams: countOpen(),
  })
}

function toHttpRequest({ url, headers, dialect }: StreamLoad, model: string, { prompt }: Reference): string {
  const { host, pathname } = new URL(url)
  const limit = dialect === 'anthropic-messages' ? { max_tokens: 1_000_000 } : {}
  const body = JSON.stringify({
    model,
    stream: true,
    ...limit,
    messages: [{ role: 'user', content: prompt }],
  })
  const allHeaders = {
    host,
    ...headers,
    // A refused stream should end, not wait for another request.
    connection: 'close',
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
  }
  const lines = Object.entries(allHeaders).map(([name, value]) => `${name}: ${value}`)
  return [`POST ${pathname} HTTP/1.1`, ...lines, '', body].join('\r\n')
}

function toResult(
  streams: OneStream[],
  ends: StreamEnd[],
  gaps: ReturnType<typeof createGapHistogram>,
): LoadResult {
  const firstTokens = streams.map((stream) => stream.firstTokenMs()).filter((ms) => ms !== undefined)
  const damages = ends.flatMap((end) => (end.outcome === 'damaged' ? [end.damage] : []))
  const reasons = ends.flatMap((end) => (end.outcome === 'failed' ? [end.reason] : []))
  const sum = (field: keyof (typeof damages)[number]) =>
    damages.reduce((total, damage) => total + damage[field], 0)
  return {
    latencyMs: toPercentiles(firstTokens),
    gapMs: gaps.toPercentiles(),
    integrity: {
      whole: ends.filter((end) => end.outcome === 'whole').length,
      lostTokens: sum('lostTokens'),
      duplicatedTokens: sum('duplicatedTokens'),
      reorderedTokens: sum('reorderedTokens'),
    },
    failures: reasons.length,
    ...(reasons[0] !== undefined && { failure: reasons[0] }),
  }
}

/** Whole milliseconds up to ten seconds: a million gaps would be too many to keep and sort. */
function createGapHistogram() {
  const counts = new Uint32Array(10_001)
  let total = 0
  return {
    add(gapMs: number): void {
      const bucket = Math.min(10_000, Math.round(gapMs))
      counts[bucket] = (counts[bucket] ?? 0) + 1
      total++
    },
    toPercentiles(): Percentiles {
      const at = (share: number) => {
        let seen = 0
        return counts.findIndex((count) => (seen += count) > total * share)
      }
      return total === 0 ? { p50: null, p99: null } : { p50: at(0.5), p99: at(0.99) }
    },
  }
}

/** A measured process must not learn of the bench, so the words between it and its loads are these alone. */
export type LoadMessage =
  | { type: 'window-start' }
  /** `count` requests or tokens were done since the window's start. */
  | { type: 'window-end'; count: number; seconds: number; openStreams?: number }
  | { type: 'finished'; result: LoadResult }
  | { type: 'progress'; text: string }

/** Null where nothing was measured. */
export interface Percentiles {
  p50: number | null
  p99: number | null
}

export interface LoadResult {
  /** Of a JSON request: the whole of it. Of a stream: the time to its first token. */
  latencyMs: Percentiles
  /** Between two arrivals of one stream. */
  gapMs?: Percentiles
  integrity?: Integrity
  failures: number
  /** The first failure in words. */
  failure?: string
}

export interface Integrity {
  whole: number
  lostTokens: number
  duplicatedTokens: number
  reorderedTokens: number
}

export interface JsonLoad {
  kind: 'json'
  url: string
  headers: Record<string, string>
  model: string
  connections: number
  seconds: number
}

/** What the clients of a load speak. */
export type StreamDialect = 'openai-chat' | 'anthropic-messages'

export interface StreamLoad {
  kind: 'streams'
  dialect: StreamDialect
  url: string
  headers: Record<string, string>
  /** The model to ask this target for. */
  model: string
  /** Says the same words all at once. */
  unpacedModel: string
  /** Who knows beforehand what a whole answer says. */
  simulatorUrl: string
  streams: number
  rampMs: number
  /** How long after the ramp the plateau may begin without the last streams. */
  startWithinMs: number
  plateauMs: number
  deadlineMs: number
}

export type Load = JsonLoad | StreamLoad

export function report(message: LoadMessage): void {
  process.send?.(message)
}

export function toPercentiles(values: number[]): Percentiles {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? null
  return { p50: at(0.5), p99: at(0.99) }
}

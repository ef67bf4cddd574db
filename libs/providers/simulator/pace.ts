import type { SimulatorSettings } from './model-name.ts'

type Pace = Pick<SimulatorSettings, 'ttftMs' | 'gapMs'>

/** Milliseconds after the request at which a token (0 is the first) is due. */
export function dueAtMs({ ttftMs, gapMs }: Pace, index: number): number {
  return ttftMs + index * gapMs
}

/** How many tokens are due by then. A late timer so sends two at once and the stream keeps its pace. */
export function dueTokens({ ttftMs, gapMs }: Pace, elapsedMs: number): number {
  if (elapsedMs < ttftMs) return 0
  return gapMs === 0 ? Number.POSITIVE_INFINITY : Math.floor((elapsedMs - ttftMs) / gapMs) + 1
}

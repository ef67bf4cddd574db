import { GatewayError } from '#libs/core'

/** HTTP statuses that the simulator can answer with. */
export const failStatuses = [400, 401, 429, 500, 503, 529] as const

const failWords = ['reset', 'stall', 'error', 'truncate'] as const

/** Where and how an answer goes wrong. `at` counts the tokens that still arrive. */
export interface Fault {
  kind: (typeof failStatuses)[number] | (typeof failWords)[number]
  at: number
  retryAfterMs?: number
  /** Only the first calls of a prompt fail, this many. */
  times?: number
}

/** How a simulated model behaves: what its name says after the `?`. */
export interface SimulatorSettings {
  tokens: number
  /** From the request to the first token. */
  ttftMs: number
  /** From one token to the next. */
  gapMs: number
  fault?: Fault
}

/** Slow enough to see that it streams, quick enough not to wait for. */
export const defaultSettings: SimulatorSettings = { tokens: 64, ttftMs: 0, gapMs: 10 }

const maxima: Record<string, number> = {
  tokens: 100_000,
  ttft_ms: 3_600_000,
  gap_ms: 3_600_000,
  at: 100_000,
  retry_after_ms: 3_600_000,
  times: 1_000,
}

/**
 * Reads a name such as `lorem?tokens=200&fail=reset&at=5`. Throws `model_not_found` for another model and
 * `invalid_request` for a knob that does not exist or can't have that value.
 */
export function parseSimulatorModel(model: string, defaults = defaultSettings): SimulatorSettings {
  const [name, query] = splitOnce(model, '?')
  if (name !== 'lorem') {
    throw new GatewayError('model_not_found', `The simulator has no model "${name}"; it has "lorem".`, {
      param: 'model',
    })
  }
  if (query === undefined) return defaults
  const { fail, ...numbers } = readKnobs(query)
  const fault = toFault(fail, numbers)
  return {
    tokens: numbers.tokens ?? defaults.tokens,
    ttftMs: numbers.ttft_ms ?? defaults.ttftMs,
    gapMs: numbers.gap_ms ?? defaults.gapMs,
    ...(fault !== undefined && { fault }),
  }
}

/** Whether the fault takes the place of the whole answer, so that not even an HTTP 200 is seen. */
export function failsBeforeAnswer(fault: Fault): boolean {
  return fault.at === 0 && fault.kind !== 'error' && fault.kind !== 'truncate'
}

interface Knobs {
  fail?: Fault['kind']
  tokens?: number
  ttft_ms?: number
  gap_ms?: number
  at?: number
  retry_after_ms?: number
  times?: number
}

function readKnobs(query: string): Knobs {
  const knobs: Record<string, unknown> = {}
  for (const [name, value] of new URLSearchParams(query)) {
    knobs[name] = name === 'fail' ? readFail(value) : readNumber(name, value)
  }
  return knobs
}

function readFail(value: string): Fault['kind'] {
  const kind = [...failStatuses, ...failWords].find((known) => String(known) === value)
  if (kind === undefined) {
    throw badKnob(`fail must be one of ${[...failStatuses, ...failWords].join(', ')}, not "${value}"`)
  }
  return kind
}

function readNumber(name: string, value: string): number {
  const maximum = Object.hasOwn(maxima, name) ? maxima[name] : undefined
  if (maximum === undefined) {
    throw badKnob(`there is no knob "${name}"; there are ${Object.keys(maxima).join(', ')} and fail`)
  }
  const minimum = name === 'tokens' || name === 'times' ? 1 : 0
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
  if (!(number >= minimum && number <= maximum)) {
    throw badKnob(`${name} must be a whole number from ${minimum} to ${maximum}, not "${value}"`)
  }
  return number
}

function toFault(kind: Fault['kind'] | undefined, numbers: Knobs): Fault | undefined {
  const { at, retry_after_ms: retryAfterMs, times } = numbers
  if (kind === undefined) {
    if (at === undefined && retryAfterMs === undefined && times === undefined) return undefined
    throw badKnob('at, retry_after_ms and times say more of a failure, so they need fail')
  }
  return {
    kind,
    at: at ?? 0,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(times !== undefined && { times }),
  }
}

function badKnob(problem: string): GatewayError {
  return new GatewayError('invalid_request', `The simulator can't read the model name: ${problem}.`, {
    param: 'model',
  })
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const position = text.indexOf(separator)
  return position === -1 ? [text, undefined] : [text.slice(0, position), text.slice(position + 1)]
}

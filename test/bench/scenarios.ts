import type { StreamDialect } from './load/messages.ts'

/** What is asked of every target. A stream's pace is kept by the simulator. */
export type Scenario =
  | { name: string; kind: 'json'; connections: number; seconds: number; model?: string }
  | {
      name: string
      kind: 'streams'
      streams: number
      gapMs: number
      rampMs: number
      plateauMs: number
      /** What the clients speak; any but the chat is for the gateway alone to translate. */
      dialect: StreamDialect
    }

export const scenarioNames = [
  'latency',
  'json',
  'streams200',
  'streams2000',
  'streams10000',
  'translated',
  'routing',
  'cache',
] as const
export type ScenarioName = (typeof scenarioNames)[number]

export const quickScenarios: readonly ScenarioName[] = ['latency', 'json', 'streams200']

/** The two lanes through the worker, whose costs are compared: the same streams in the provider's dialect and in another. */
export const lanes = { native: 'native lane', translated: 'translated lane' } as const

/** The same requests without and with a choice to make, whose costs are compared. */
export const choices = { none: 'no choice', five: 'a choice of five' } as const
/** Turns, since what a machine is busy with besides changes more than what a choice costs. */
const choiceTurns = 3

/** Names of the simulator's one model, for a virtual model that has to choose. */
export const fiveTargets = [
  'tokens=16&gap_ms=0',
  'gap_ms=0&tokens=16',
  'ttft_ms=0&tokens=16&gap_ms=0',
  'tokens=16&ttft_ms=0&gap_ms=0',
  'tokens=16&gap_ms=0&ttft_ms=0',
].map((knobs) => `lorem?${knobs}`)
export const choosingModel = 'house'

/** `cache` measures no load and is none of these; `json` stands for two, at 64 and at 256 connections, and `translated` for each of the two lanes. */
export function toScenarios(names: readonly ScenarioName[], seconds: number): Scenario[] {
  return names.flatMap((name): Scenario[] => {
    switch (name) {
      case 'latency':
        return [{ name, kind: 'json', connections: 1, seconds }]
      case 'json':
        return [64, 256].map((connections) => ({
          name: `json${connections}`,
          kind: 'json',
          connections,
          seconds,
        }))
      case 'streams200':
        return [streams(name, { streams: 200, gapMs: 20, rampMs: 1000 }, seconds)]
      case 'streams2000':
        return [streams(name, { streams: 2000, gapMs: 20, rampMs: 3000 }, seconds)]
      case 'streams10000':
        return [streams(name, { streams: 10_000, gapMs: 1000, rampMs: 10_000 }, seconds)]
      case 'routing':
        return Array.from({ length: choiceTurns }).flatMap((): Scenario[] => [
          { name: choices.none, kind: 'json', connections: 64, seconds, model: `bench/${modelOfJson}` },
          { name: choices.five, kind: 'json', connections: 64, seconds, model: choosingModel },
        ])
      case 'cache':
        return []
      case 'translated': {
        const shape = { streams: 200, gapMs: 20, rampMs: 1000 }
        return [
          streams(lanes.native, shape, seconds),
          streams(lanes.translated, shape, seconds, 'anthropic-messages'),
        ]
      }
    }
  })
}

function streams(
  name: string,
  shape: { streams: number; gapMs: number; rampMs: number },
  seconds: number,
  dialect: StreamDialect = 'openai-chat',
): Scenario {
  return { name, kind: 'streams', ...shape, plateauMs: seconds * 1000, dialect }
}

/** Whether a target can be asked: the lanes and choices are the gateway's own. */
export function isFor(scenario: Scenario, target: string): boolean {
  const own = [...Object.values<string>(lanes), ...Object.values<string>(choices)]
  return target === 'millrace' || !own.includes(scenario.name)
}

/** How long after the ramp the plateau may begin without the last streams. */
export const startWithinMs = 5000

const modelOfJson = 'lorem?tokens=16&gap_ms=0'

/** The simulator's model for a scenario. Even the first stream lasts until the plateau's end. */
export function modelFor(scenario: Scenario): string {
  if (scenario.kind === 'json') return scenario.model ?? modelOfJson
  return `lorem?tokens=${tokensFor(scenario)}&gap_ms=${scenario.gapMs}`
}

/** The same words, all at once. */
export function unpacedModelFor(scenario: Scenario & { kind: 'streams' }): string {
  return `lorem?tokens=${tokensFor(scenario)}&gap_ms=0`
}

/** All models that a scenario asks for; the last of them answers at once. */
export function modelsFor(scenario: Scenario): string[] {
  return [modelFor(scenario), ...(scenario.kind === 'streams' ? [unpacedModelFor(scenario)] : [])]
}

function tokensFor({ rampMs, plateauMs, gapMs }: Scenario & { kind: 'streams' }): number {
  return Math.ceil((rampMs + startWithinMs + plateauMs) / gapMs)
}

/** Three times as long as it takes where nothing is late, and a minute. */
export function deadlineMsFor({ rampMs, plateauMs }: Scenario & { kind: 'streams' }): number {
  return 60_000 + 3 * (rampMs + startWithinMs + plateauMs)
}

/** When a load generator that says nothing is given up. */
export function limitMsFor(scenario: Scenario): number {
  return 60_000 + (scenario.kind === 'json' ? scenario.seconds * 1000 : deadlineMsFor(scenario))
}

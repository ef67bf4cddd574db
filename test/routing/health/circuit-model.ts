/** What a circuit should be after all that befell it. Time passes only by `restIsOver` and `probesAreOld`. */
export interface CircuitModel {
  state: 'closed' | 'open' | 'half-open'
  opens: number
  calls: number
  sick: number
  /** Probes that found it well in this half-open time. */
  well: number
  /** Probes on their way that keep their place. */
  taken: number
  isRestOver: boolean
}

export interface ModelSettings {
  minCalls: number
  failureRate: number
  probes: number
}

export const closedCircuit: Readonly<CircuitModel> = {
  state: 'closed',
  opens: 0,
  calls: 0,
  sick: 0,
  well: 0,
  taken: 0,
  isRestOver: false,
}

function open(model: CircuitModel): 'opened' {
  Object.assign(model, closedCircuit, { state: 'open', opens: model.opens + 1 })
  return 'opened'
}

/** Calls that went well, and one that did not if `isSick`; gives what `judge` should reply. */
export function judgeCalls(
  model: CircuitModel,
  settings: ModelSettings,
  calls: number,
  isSick: boolean,
): string {
  if (model.state !== 'closed') return 'same'
  model.calls += calls
  if (!isSick) return 'same'
  model.sick += 1
  const isIll = model.calls >= settings.minCalls && model.sick >= model.calls * settings.failureRate
  return isIll ? open(model) : 'same'
}

/** A probe's end; `generation` is the number of openings when it was admitted. */
export function judgeProbe(
  model: CircuitModel,
  settings: ModelSettings,
  probe: { generation: number; isPlaced: boolean },
  verdict: string,
): string {
  if (model.state !== 'half-open' || probe.generation !== model.opens) return 'same'
  if (probe.isPlaced) model.taken -= 1
  if (verdict === 'sick') return open(model)
  if (verdict !== 'well') return 'same'
  model.well += 1
  if (model.well < settings.probes) return 'same'
  Object.assign(model, closedCircuit, { opens: model.opens })
  return 'closed'
}

/** A call asks to be let through; gives what `probe` should reply. */
export function ask(model: CircuitModel, settings: ModelSettings): 'call' | 'probe' | 'open' {
  if (model.state === 'closed') return 'call'
  if (model.state === 'open') {
    if (!model.isRestOver) return 'open'
    model.state = 'half-open'
  }
  if (model.taken + model.well >= settings.probes) return 'open'
  model.taken += 1
  return 'probe'
}

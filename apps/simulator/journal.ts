import { createKeyCounts, type KeyCounts, type KeyLimits, type KeyTotals } from './key-counts.ts'
import type { CacheTotals, PromptCache } from './prompt-cache.ts'

/** How a call ended; `refused` calls never reached the model: a wrong key, a bad body, too many at once. */
export type ClosedBy = 'finished' | 'client' | 'fault' | 'refused'

export interface CallRecord {
  sequence: number
  model: string
  promptHash: string
  stream: boolean
  /** The headers by which a test knows whose call it was. */
  headers: Record<string, string>
  /** The last four characters of the API key, enough to tell which key of a pool was used. */
  keyEnding: string | null
  startedAtMs: number
  endedAtMs: number | null
  /** Null until it is sent, and for ever when the connection broke before. */
  status: number | null
  /** Tokens that were written, whether or not they arrived. */
  tokens: number
  closedBy: ClosedBy | null
}

/** Who called, and for which model. */
export type Caller = Pick<CallRecord, 'model' | 'headers' | 'keyEnding'>

export interface ModelTotals {
  calls: number
  inFlight: number
  maxInFlight: number
}

export interface JournalSnapshot {
  totals: ModelTotals & {
    tokens: number
    closedBy: Record<ClosedBy, number>
    models: Record<string, ModelTotals>
  }
  /** How many different prompts were answered, and those that were answered more than once with how often. */
  prompts: { distinct: number; repeated: Record<string, number> }
  /** By the last four characters of the API key. */
  keys: Record<string, KeyTotals>
  /** What the prompt caches were good for, by the last four characters of the API key; absent without them. */
  caches?: Record<string, CacheTotals>
  /** The last calls, oldest first. */
  entries: CallRecord[]
}

export interface Call {
  readonly record: CallRecord
  /** 1 for the first call of its prompt. */
  readonly callOfPrompt: number
  /** Counts once, however often it is called. */
  end(closedBy: ClosedBy): void
}

export interface Journal {
  /** Calls that are answered now. */
  readonly inFlight: number
  readonly keys: KeyCounts
  readonly promptCache: PromptCache | undefined
  begin(opening: Caller & Pick<CallRecord, 'promptHash' | 'stream'>, key: string): Call
  /** A call that is answered with an error of the server's own, and counts as neither in flight nor a prompt. */
  refuse(opening: Caller & Pick<CallRecord, 'status'>): void
  snapshot(limit?: number): JournalSnapshot
  /** Forgets what has ended. Calls in flight stay counted as such, and their end is not. */
  reset(): void
  /** Resolves when no call is in flight. */
  idle(): Promise<void>
}

const maxEntries = 10_000
/** Beyond these, new models are counted as one and new prompts not at all: memory stays bounded under load. */
const maxModels = 1_000
const maxPrompts = 200_000

export function createJournal(limits?: KeyLimits, promptCache?: PromptCache): Journal {
  const keys = createKeyCounts(limits)
  let state = emptyState()
  let idleWaiters: (() => void)[] = []

  function leave(totals: ModelTotals[]): void {
    for (const total of totals) total.inFlight -= 1
    if (state.all.inFlight > 0) return
    for (const resolve of idleWaiters) resolve()
    idleWaiters = []
  }

  return {
    get inFlight() {
      return state.all.inFlight
    },
    keys,
    promptCache,
    begin(opening, key) {
      const leaveKey = keys.begin(key)
      const begunIn = state
      const totals = [begunIn.all, modelTotals(begunIn, opening.model)]
      for (const total of totals) enter(total)
      const callOfPrompt = countPrompt(begunIn, opening.promptHash)
      const record = remember(begunIn, { ...opening, status: null })
      return {
        record,
        callOfPrompt,
        end(closedBy) {
          if (record.closedBy !== null) return
          record.closedBy = closedBy
          record.endedAtMs = Date.now()
          begunIn.closedBy[closedBy] += 1
          begunIn.tokens += record.tokens
          leaveKey()
          leave(totals)
        },
      }
    },
    refuse(opening) {
      const record = remember(state, { ...opening, promptHash: '', stream: false })
      record.closedBy = 'refused'
      record.endedAtMs = record.startedAtMs
      state.closedBy.refused += 1
    },
    snapshot: (limit = 100) => ({
      ...toSnapshot(state, limit),
      keys: keys.snapshot(),
      ...(promptCache !== undefined && { caches: promptCache.snapshot() }),
    }),
    reset() {
      state = carryOver(state)
      keys.reset()
      promptCache?.reset()
    },
    async idle() {
      if (state.all.inFlight > 0) await new Promise<void>((resolve) => idleWaiters.push(resolve))
    },
  }
}

type State = ReturnType<typeof emptyState>

function emptyState() {
  return {
    sequence: 0,
    tokens: 0,
    all: { calls: 0, inFlight: 0, maxInFlight: 0 } as ModelTotals,
    models: new Map<string, ModelTotals>(),
    closedBy: { finished: 0, client: 0, fault: 0, refused: 0 } as Record<ClosedBy, number>,
    prompts: new Map<string, number>(),
    /** A ring: the call number n lies at n % maxEntries. */
    entries: [] as CallRecord[],
  }
}

/** Calls in flight hold on to their counters, so these go on in the new state. */
function carryOver(state: State): State {
  const next = { ...emptyState(), all: state.all }
  for (const [model, totals] of state.models) {
    if (totals.inFlight > 0) next.models.set(model, totals)
  }
  for (const totals of [next.all, ...next.models.values()]) {
    totals.calls = 0
    totals.maxInFlight = totals.inFlight
  }
  return next
}

function enter(totals: ModelTotals): void {
  totals.calls += 1
  totals.inFlight += 1
  totals.maxInFlight = Math.max(totals.maxInFlight, totals.inFlight)
}

function modelTotals(state: State, model: string): ModelTotals {
  const name = state.models.has(model) || state.models.size < maxModels ? model : 'others'
  const known = state.models.get(name)
  if (known !== undefined) return known
  const totals = { calls: 0, inFlight: 0, maxInFlight: 0 }
  state.models.set(name, totals)
  return totals
}

function countPrompt({ prompts }: State, promptHash: string): number {
  const calls = (prompts.get(promptHash) ?? 0) + 1
  if (calls > 1 || prompts.size < maxPrompts) prompts.set(promptHash, calls)
  return calls
}

function remember(
  state: State,
  opening: Caller & Pick<CallRecord, 'promptHash' | 'stream' | 'status'>,
): CallRecord {
  const record: CallRecord = {
    sequence: state.sequence,
    ...opening,
    startedAtMs: Date.now(),
    endedAtMs: null,
    tokens: 0,
    closedBy: null,
  }
  state.entries[state.sequence % maxEntries] = record
  state.sequence += 1
  return record
}

function toSnapshot(state: State, limit: number): Omit<JournalSnapshot, 'keys'> {
  const count = Math.min(limit, state.entries.length)
  const first = state.sequence - count
  return {
    totals: {
      ...state.all,
      tokens: state.tokens,
      closedBy: { ...state.closedBy },
      models: Object.fromEntries([...state.models].map(([name, totals]) => [name, { ...totals }])),
    },
    prompts: {
      distinct: state.prompts.size,
      repeated: Object.fromEntries([...state.prompts].filter(([, calls]) => calls > 1)),
    },
    entries: Array.from({ length: count }, (_, index) => state.entries[(first + index) % maxEntries]).flatMap(
      (record) => (record === undefined ? [] : [{ ...record, headers: { ...record.headers } }]),
    ),
  }
}

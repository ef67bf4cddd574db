import { setTimeout } from 'node:timers/promises'
import { GatewayError } from '#libs/core'
import type { CanonicalRequest, ErrorCode, Part } from '#libs/core'
import type { ProviderSpec } from '../provider.ts'
import { failsBeforeAnswer, parseSimulatorModel } from './model-name.ts'
import type { Fault, SimulatorSettings } from './model-name.ts'
import { dueAtMs, dueTokens } from './pace.ts'
import { planAnswer } from './plan-answer.ts'
import type { AnswerPlan } from './plan-answer.ts'
import { simulateSpeech, simulateTranscription } from './simulate-audio.ts'
import { simulatedVideos } from './simulate-video.ts'
import { simulateEmbeddings } from './simulate-embeddings.ts'

/** Answers inside the worker, with no network and no key; `docs/simulator.md` tells what a model's name can say. */
export const simulator: ProviderSpec = {
  type: 'simulator',
  needsKey: false,
  native: {},
  authorize: () => ({}),
  readError: (status) => toError(status),
  builtIn: {
    models: ['lorem'],
    stream,
    operations: {
      'openai-videos': { ...simulatedVideos, start: answering(simulatedVideos.start) },
    },
    answers: {
      'openai-embeddings': answering(simulateEmbeddings),
      'openai-speech': answering(simulateSpeech),
      'openai-transcriptions': answering(simulateTranscription),
      'openai-translations': answering(simulateTranscription),
    },
  },
}

/** At once and without a pace; a fault with a status is the only one that a whole answer can have in here. */
function answering<Body, T>(simulate: (body: Body, model: string) => T) {
  return (body: Body, model: string): T => {
    const { fault } = parseSimulatorModel(model)
    if (fault !== undefined)
      throw toError(typeof fault.kind === 'number' ? fault.kind : 500, fault.retryAfterMs)
    return simulate(body, model)
  }
}

async function* stream(request: CanonicalRequest, signal: AbortSignal): AsyncGenerator<Part> {
  const settings = parseSimulatorModel(request.model)
  refuseMemory(settings)
  const plan = planAnswer(request, settings)
  const { fault } = settings
  const pace = createPace(settings, signal)

  if (fault !== undefined && failsBeforeAnswer(fault)) {
    await pace.until(0)
    await breakOff(fault, signal)
  }
  await pace.until(0)
  yield { type: 'start', model: request.model }
  yield opening(plan)
  for (const [index, word] of plan.words.entries()) {
    if (index === fault?.at) break
    const waiting = pace.until(index)
    if (waiting !== undefined) await waiting
    yield delta(plan, word)
  }
  if (fault !== undefined) {
    await breakOff(fault, signal)
    return
  }
  yield closing(plan)
  yield {
    type: 'finish',
    reason: { unified: plan.finish, raw: plan.finish },
    usage: { inputTokens: plan.inputTokens, outputTokens: plan.outputTokens },
  }
}

/** Between two calls only the stand-alone server remembers: workers share no memory and a spec holds none. */
function refuseMemory({ fault }: SimulatorSettings): void {
  if (fault?.times === undefined) return
  throw new GatewayError(
    'invalid_request',
    'The built-in simulator has no knob "times"; the stand-alone one does (npm run simulator).',
    { param: 'model' },
  )
}

function opening({ toolCall }: AnswerPlan): Part {
  return toolCall === undefined
    ? { type: 'text-start' }
    : { type: 'tool-call-start', index: 0, id: toolCall.id, name: toolCall.name }
}

function delta({ toolCall }: AnswerPlan, word: string): Part {
  return toolCall === undefined
    ? { type: 'text-delta', text: word }
    : { type: 'tool-call-delta', index: 0, arguments: word }
}

function closing({ toolCall }: AnswerPlan): Part {
  return toolCall === undefined ? { type: 'text-end' } : { type: 'tool-call-end', index: 0 }
}

/** `until` answers nothing where there is nothing to wait for: a timer or a promise a token would be most of the cost. */
function createPace(settings: SimulatorSettings, signal: AbortSignal) {
  const startedAtMs = performance.now()
  let due = dueTokens(settings, 0)
  return {
    until(index: number): Promise<void> | undefined {
      signal.throwIfAborted()
      if (index < due) return undefined
      return wait(index)
    },
  }

  async function wait(index: number): Promise<void> {
    const elapsedMs = performance.now() - startedAtMs
    await sleep(Math.max(0, dueAtMs(settings, index) - elapsedMs), signal)
    // A timer may fire a fraction early, and the token it was for is due all the same.
    due = Math.max(index + 1, dueTokens(settings, performance.now() - startedAtMs))
  }
}

/** Rejects with the signal's own reason, as `fetch` does. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal })
  } catch {
    signal.throwIfAborted()
  }
}

/** Returns for `truncate` alone: a stream that ends without its finish. */
async function breakOff({ kind, at, retryAfterMs }: Fault, signal: AbortSignal): Promise<void> {
  if (typeof kind === 'number') throw toError(kind, retryAfterMs)
  switch (kind) {
    case 'truncate':
      return
    case 'stall':
      return hang(signal)
    case 'error':
      throw toError(500)
    case 'reset':
      if (at > 0) throw failure('upstream_incomplete', 'The simulator broke off its answer.')
      throw failure('upstream_outcome_unknown', 'The simulator reset the connection.')
  }
}

function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const give = () => reject(signal.reason as Error)
    if (signal.aborted) give()
    else signal.addEventListener('abort', give, { once: true })
  })
}

const codes: Record<number, ErrorCode> = {
  400: 'invalid_request',
  401: 'upstream_auth_failed',
  429: 'rate_limit_exceeded',
}

function toError(status: number, retryAfterMs?: number): GatewayError {
  return failure(
    codes[status] ?? 'upstream_error',
    `The simulator failed with ${status}, as it was asked to.`,
    {
      status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    },
  )
}

function failure(code: ErrorCode, message: string, details: { status?: number; retryAfterMs?: number } = {}) {
  return new GatewayError(code, message, { ...details, provider: 'simulator' })
}

import type { ServerResponse } from 'node:http'
import type { Media } from '#libs/core'
import { dueAtMs, dueTokens, failsBeforeAnswer } from '#libs/providers'
import type { AnswerPlan, Fault, SimulatorSettings } from '#libs/providers'
import { chatCompletion, chatEvents, faultError } from './chat-wire.ts'
import type { ChatError } from './chat-wire.ts'
import type { Call } from './journal.ts'

/** One answer on its way to the client. */
export interface Delivery {
  response: ServerResponse
  call: Call
  settings: SimulatorSettings
  plan: AnswerPlan
  model: string
  includeUsage: boolean
  /** The body of an answer that is not the plan's; JSON if it is a string. */
  whole?: string | Media | undefined
  /** The one step that is waited for. */
  timer?: NodeJS.Timeout
}

const streamHeaders = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' }
const jsonHeaders = { 'content-type': 'application/json' }
/** A longer timer would fire at once. */
const maxTimerMs = 2 ** 31 - 1

/** Answers at the pace and with the fault that the model's name asks for; the call ends when the response does. */
export function deliver(delivery: Delivery): void {
  const { response, call, settings } = delivery
  const { fault } = settings
  response.once('finish', () => call.end('finished'))
  response.once('close', () => {
    clearTimeout(delivery.timer)
    call.end('client')
  })
  if (fault !== undefined && failsBeforeAnswer(fault)) {
    schedule(delivery, settings.ttftMs, () => failInstead(delivery, fault))
  } else if (call.record.stream) {
    deliverStream(delivery)
  } else {
    deliverWhole(delivery)
  }
}

/** Sends an error as an HTTP answer of its own. */
export function sendError(
  response: ServerResponse,
  { status, body }: ChatError,
  retryAfterMs?: number,
): void {
  response.writeHead(status, {
    ...jsonHeaders,
    'content-length': Buffer.byteLength(body),
    ...(retryAfterMs !== undefined && {
      'retry-after': String(Math.ceil(retryAfterMs / 1000)),
      'retry-after-ms': String(retryAfterMs),
    }),
  })
  response.end(body)
}

/** All tokens that are due leave in one write, and a client that does not read is not written to. */
function deliverStream(delivery: Delivery): void {
  const { response, call, settings, plan, model, includeUsage } = delivery
  const events = chatEvents(plan, model, includeUsage)
  const last = lastToken(delivery)
  const startedAtMs = performance.now()
  let sent = 0
  schedule(delivery, settings.ttftMs, open)

  function open(): void {
    call.record.status = 200
    response.writeHead(200, streamHeaders)
    send(events.opening)
  }

  function step(): void {
    send('')
  }

  function send(before: string): void {
    // A timer may fire a fraction early, and the token it was for is due all the same.
    const due = Math.max(sent + 1, dueTokens(settings, performance.now() - startedAtMs))
    const next = Math.min(last, due)
    const text = before + events.words(sent, next)
    sent = next
    call.record.tokens = sent
    if (sent < last) proceed(text)
    else if (settings.fault === undefined) response.end(text + events.closing)
    else breakOff(delivery, settings.fault, text)
  }

  function proceed(text: string): void {
    if (response.write(text)) wait()
    else response.once('drain', wait)
  }

  function wait(): void {
    schedule(delivery, dueAtMs(settings, sent) - (performance.now() - startedAtMs), step)
  }
}

/** A whole answer takes as long as its tokens would. A fault in the middle of it cuts the body in half. */
function deliverWhole(delivery: Delivery): void {
  const { response, call, settings, plan, model, whole } = delivery
  const tokens = lastToken(delivery)
  schedule(delivery, dueAtMs(settings, Math.max(0, tokens - 1)), () => {
    const { type, bytes } = toMedia(whole ?? chatCompletion(plan, model))
    const { fault } = settings
    call.record.tokens = tokens
    if (fault !== undefined && (typeof fault.kind === 'number' || fault.kind === 'error')) {
      failInstead(delivery, fault)
      return
    }
    call.record.status = 200
    if (fault === undefined) {
      response.writeHead(200, { 'content-type': type, 'content-length': bytes.length })
      response.end(bytes)
    } else {
      response.writeHead(200, { 'content-type': type })
      breakOff(delivery, fault, bytes.subarray(0, bytes.length / 2))
    }
  })
}

function toMedia(whole: string | Media): Media {
  return typeof whole === 'string' ? { type: jsonHeaders['content-type'], bytes: Buffer.from(whole) } : whole
}

/** The fault takes the place of the answer: nothing has been sent. */
function failInstead({ response, call }: Delivery, fault: Fault): void {
  if (fault.kind === 'stall') return
  if (fault.kind === 'reset') {
    call.end('fault')
    response.socket?.resetAndDestroy()
    return
  }
  const error = errorOf(fault)
  call.record.status = error.status
  call.end('fault')
  sendError(response, error, fault.retryAfterMs)
}

/** The fault comes after these last bytes. A stall stays open until the client leaves, and so it is the client's end. */
function breakOff({ response, call }: Delivery, fault: Fault, lastBytes: string | Buffer): void {
  if (fault.kind === 'stall') {
    response.write(lastBytes)
    return
  }
  call.end('fault')
  if (fault.kind === 'reset') response.write(lastBytes, () => response.socket?.resetAndDestroy())
  else if (fault.kind === 'truncate') response.end(lastBytes)
  else response.end(`${lastBytes.toString()}data: ${errorOf(fault).body}\n\n`)
}

function errorOf({ kind }: Fault): ChatError {
  return faultError(typeof kind === 'number' ? kind : 500)
}

/** How many tokens are sent in all: those before the fault, or all of them. */
function lastToken({ plan, settings }: Delivery): number {
  return Math.min(settings.fault?.at ?? plan.words.length, plan.words.length)
}

/** Runs at once what is due. */
function schedule(delivery: Delivery, delayMs: number, run: () => void): void {
  if (delayMs <= 0) run()
  else delivery.timer = setTimeout(run, Math.min(delayMs, maxTimerMs))
}

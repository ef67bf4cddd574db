import type { Dispatcher, Pool } from 'undici'
import { GatewayError } from '#libs/core'
import { type ProviderTimeouts, startClock } from './clock.ts'
import { timeoutError, transportError } from './transport-error.ts'

export interface ExchangeRules {
  provider: string
  timeouts: ProviderTimeouts
  maxResponseBytes: number
}

/** The head of an answer, of whatever status. Its body comes in meanwhile and waits for `read`. */
export interface RawAnswer {
  status: number
  headers: Record<string, string>
  /**
   * Hands over each network read, in order and synchronously; resolves at the body's end. What `onChunk` throws
   * ends the exchange and is rethrown. To be called once.
   */
  read(onChunk: (chunk: Buffer) => void): Promise<void>
  /** Lets no more chunks come for now, or again; meanwhile the timeouts go on. */
  pause(isPaused: boolean): void
  /** Takes the body as ended here, and closes the connection. */
  stop(): void
}

const abandoned = new Error('The exchange is over for this gateway.')

/**
 * Sends one request; resolves with the answer's head. An exchange is open until it ends or fails, and that happens
 * once: whatever undici, the clock, the caller's signal or the reader say later is not heard. One that does not
 * reach its body's end takes its connection with it.
 *
 * It is made with undici's `dispatch` and not `request`, which puts a stream between the socket and the reader.
 */
export function startExchange(
  pool: Pool,
  request: Dispatcher.DispatchOptions,
  rules: ExchangeRules,
  signal: AbortSignal,
): Promise<RawAnswer> {
  const { provider, timeouts } = rules
  const head = Promise.withResolvers<RawAnswer>()
  const body = createBody(rules, fail)
  const clock = startClock(timeouts, (timeout) => fail(timeoutError(provider, timeouts, timeout)))
  let controller: Dispatcher.DispatchController | undefined
  let isOpen = true

  function settle(isWhole: boolean): boolean {
    if (!isOpen) return false
    isOpen = false
    clock.stop()
    signal.removeEventListener('abort', cancel)
    if (!isWhole) controller?.abort(abandoned)
    return true
  }

  function fail(error: unknown): void {
    if (!settle(false)) return
    head.reject(error)
    body.fail(error)
  }

  function cancel(): void {
    fail(cancelledError(provider, signal))
  }

  function stop(): void {
    if (settle(false)) body.end()
  }

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started
      if (isOpen) clock.enter('firstByte')
      else started.abort(abandoned)
    },
    onResponseStart(started, status, headers) {
      if (status < 200) return
      clock.enter('idle')
      head.resolve({ status, headers: joinValues(headers), ...toReading(body, started), stop })
    },
    onResponseData(_, chunk) {
      clock.touch()
      body.write(chunk)
    },
    onResponseEnd() {
      if (settle(true)) body.end()
    },
    onResponseError: (_, error) => fail(transportError(provider, timeouts, clock.phase, error)),
  }

  if (signal.aborted) cancel()
  else {
    signal.addEventListener('abort', cancel)
    pool.dispatch(request, handler)
  }
  return head.promise
}

function toReading(
  body: ReturnType<typeof createBody>,
  controller: Dispatcher.DispatchController,
): Pick<RawAnswer, 'read' | 'pause'> {
  return {
    read: (onChunk) => body.read(onChunk),
    pause(isPaused) {
      if (isPaused) controller.pause()
      else controller.resume()
    },
  }
}

/** Keeps the chunks until there is a reader. `onThrow` is told when the cap is passed or the reader throws. */
function createBody(rules: ExchangeRules, onThrow: (error: unknown) => void) {
  const early: Buffer[] = []
  const done = Promise.withResolvers<void>()
  let reader = (chunk: Buffer): unknown => early.push(chunk)
  let receivedBytes = 0
  // Nobody may ever read the body of an exchange that fails.
  done.promise.catch(() => undefined)

  return {
    write(chunk: Buffer): void {
      try {
        receivedBytes += chunk.length
        if (receivedBytes > rules.maxResponseBytes) throw tooLargeError(rules)
        reader(chunk)
      } catch (error) {
        onThrow(error)
      }
    },
    async read(onChunk: (chunk: Buffer) => void): Promise<void> {
      try {
        for (const chunk of early) onChunk(chunk)
      } catch (error) {
        onThrow(error)
        throw error
      }
      early.length = 0
      reader = onChunk
      await done.promise
    },
    end: () => done.resolve(),
    fail: (error: unknown) => done.reject(error),
  }
}

function joinValues(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const joined: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) joined[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return joined
}

/** What a call ends with that nobody wants any more. */
export function cancelledError(provider: string, signal: AbortSignal): GatewayError {
  const details = { provider, cause: signal.reason }
  return new GatewayError('cancelled', `The call to provider ${provider} was cancelled.`, details)
}

/** The answer is over the cap. */
export function tooLargeError({ provider, maxResponseBytes }: ExchangeRules): GatewayError {
  const message = `The answer of provider ${provider} is larger than ${maxResponseBytes} bytes.`
  return new GatewayError('response_too_large', message, { provider })
}

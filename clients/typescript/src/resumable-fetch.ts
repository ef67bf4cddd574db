import { createEventCounter, type EventCounter } from './event-counter.ts'

/** The shape of `fetch` as SDKs call it. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

export interface ResumableFetchOptions {
  /** In place of the global one. */
  fetch?: Fetch
  /**
   * Told of each run as soon as its answer begins. Kept together with what the user sees, the id is enough to come
   * back from another page or process: see {@link createReplayFetch}.
   */
  onRun?: (runId: string) => void
  /** How long to go on trying without a new event; 60 s if it is left out. */
  giveUpAfterMs?: number
}

const defaultGiveUpAfterMs = 60_000
const firstDelayMs = 100
const longestDelayMs = 5_000
/** The gateway has no answer at the moment, and may have one later. */
const passingStatuses: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504])

/**
 * A `fetch` whose event streams survive lost connections: it goes on behind the last whole event, at whatever API
 * process answers then, and what reads the body notices nothing but a pause. For the `fetch` option of any SDK. Every
 * POST gets an `idempotency-key` unless it has one, so that one whose answer was lost is sent again and is not paid
 * twice. Streams of other servers, and whole answers, pass through as they are.
 *
 * The body of a resumed stream fails when nothing new came for `giveUpAfterMs`, when the gateway does not know the
 * run any more, or by the signal of the request.
 */
export function createResumableFetch(options: ResumableFetchOptions = {}): Fetch {
  const send = options.fetch ?? fetch
  return async (input, init) => {
    const request = new Request(input, init)
    if (request.method !== 'POST') return send(request)
    if (!request.headers.has('idempotency-key')) {
      request.headers.set('idempotency-key', crypto.randomUUID())
    }
    const body = await request.clone().arrayBuffer()
    const again = (): Request => new Request(request, { method: 'POST', body, signal: request.signal })
    const response = await sendUntilAnswered({ send, giveUpAfterMs: giveUpAfter(options) }, again)
    const runId = response.headers.get('x-millrace-run')
    if (runId === null) return response
    options.onRun?.(runId)
    if (!isEventStream(response) || response.body === null) return response
    return new Response(resume(options, { request, runId, first: response.body, after: -1 }), response)
  }
}

/**
 * A `fetch` that answers any POST with the stream of a run that was created before, from its first event on, or from
 * behind number `after`: an SDK that sends its request through it gets the same answer once more, live if the run
 * goes on. Nothing is created, and nothing is paid for.
 */
export function createReplayFetch(
  runId: string,
  options: ResumableFetchOptions & { after?: number } = {},
): Fetch {
  const { after = -1 } = options
  return async (input, init) => {
    const request = new Request(input, init)
    const first = await getEvents(options, { request, runId, after })
    if (!first.ok || !isEventStream(first) || first.body === null) return first
    options.onRun?.(runId)
    return new Response(resume(options, { request, runId, first: first.body, after }), first)
  }
}

interface Following {
  /** Has the origin, the keys and the signal that every further request gets. */
  request: Request
  runId: string
}

function resume(
  options: ResumableFetchOptions,
  { first, after, ...following }: Following & { first: ReadableStream<Uint8Array>; after: number },
): ReadableStream<Uint8Array> {
  const counter = createEventCounter(after)
  const reading = readOn(options, following, { first, counter })
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reading.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await reading.return(undefined)
    },
  })
}

/**
 * Whole events, over as many connections as it takes. A connection that breaks is followed by another; so is one that
 * just ends, since a proxy in between may have ended it, until one of them brings nothing new.
 */
async function* readOn(
  options: ResumableFetchOptions,
  following: Following,
  { first, counter }: { first: ReadableStream<Uint8Array>; counter: EventCounter },
): AsyncGenerator<Uint8Array, undefined> {
  let body: ReadableStream<Uint8Array> | null = first
  let progressAtMs = Date.now()
  for (let failures = 0; ;) {
    const before = counter.last
    let cause: unknown
    try {
      for await (const chunk of body ?? []) {
        const whole = counter.push(chunk)
        if (whole.length > 0) yield whole
      }
      if (counter.isComplete || (counter.last === before && body !== first)) return
    } catch (error) {
      if (following.request.signal.aborted) throw error
      cause = error
    }
    if (counter.isComplete) return
    counter.dropRest()
    if (counter.last > before) {
      failures = 0
      progressAtMs = Date.now()
    }
    if (Date.now() - progressAtMs > giveUpAfter(options)) {
      throw lost(following, cause)
    }
    if (cause !== undefined) await pause(failures++, following.request.signal)
    const response = await getEvents(options, { ...following, after: counter.last }).catch(
      (error: unknown) => {
        throw following.request.signal.aborted ? error : lost(following, error)
      },
    )
    if (response.status === 204) return
    if (!response.ok) {
      const text = (await response.text()).slice(0, 500)
      throw new Error(`The stream of run ${following.runId} cannot be resumed: ${response.status} ${text}`)
    }
    body = response.body
  }
}

function lost({ runId }: Following, cause: unknown): Error {
  return new Error(`The stream of run ${runId} was lost, and did not come back.`, { cause })
}

function getEvents(
  options: ResumableFetchOptions,
  { request, runId, after }: Following & { after: number },
): Promise<Response> {
  const url = new URL(`/v1/jobs/${encodeURIComponent(runId)}/events`, request.url)
  if (after >= 0) url.searchParams.set('starting_after', String(after))
  const headers = new Headers(request.headers)
  for (const name of ['content-type', 'content-length', 'idempotency-key', 'last-event-id']) {
    headers.delete(name)
  }
  const sending = { send: options.fetch ?? fetch, giveUpAfterMs: giveUpAfter(options) }
  return sendUntilAnswered(sending, () => new Request(url, { headers, signal: request.signal }))
}

/** Sends again what had no answer, or one that says that a later one may be better. */
async function sendUntilAnswered(
  { send, giveUpAfterMs }: { send: Fetch; giveUpAfterMs: number },
  make: () => Request,
): Promise<Response> {
  const startedAtMs = Date.now()
  for (let failures = 0; ; failures++) {
    const request = make()
    const isLastTry = Date.now() - startedAtMs > giveUpAfterMs
    try {
      const response = await send(request)
      // Who asks for something new is told of a busy gateway; who comes back waits for it.
      if (isLastTry || request.method === 'POST' || !passingStatuses.has(response.status)) return response
      await response.body?.cancel()
    } catch (error) {
      if (isLastTry || request.signal.aborted) throw error
    }
    await pause(failures, request.signal)
  }
}

/** Waits longer each time, by chance up to half as long again, so that clients which were cut off together come apart. */
function pause(failures: number, signal: AbortSignal): Promise<void> {
  const delayMs = Math.min(firstDelayMs * 2 ** failures, longestDelayMs) * (1 + Math.random() / 2)
  return new Promise((resolve, reject) => {
    const fail = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', fail)
      resolve()
    }, delayMs)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

function giveUpAfter({ giveUpAfterMs = defaultGiveUpAfterMs }: ResumableFetchOptions): number {
  return giveUpAfterMs
}

function isEventStream(response: Response): boolean {
  return response.headers.get('content-type')?.startsWith('text/event-stream') === true
}

import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { MillraceError } from './errors.ts'
import { createJobs, type Jobs } from './jobs.ts'
import { createReplayFetch, createResumableFetch, type Fetch } from './resumable-fetch.ts'

export interface ClientOptions {
  /** Where the gateway is, such as `https://gateway.example.com`. */
  baseUrl: string
  /** Not needed where the gateway asks for none. */
  apiKey?: string
  fetch?: Fetch
  /** How long a stream goes on trying without a new event; 60 s if it is left out. */
  giveUpAfterMs?: number
}

/** An event of a stream; its `data` is JSON in the dialect of the request. */
export type StreamEvent = Pick<EventSourceMessage, 'event' | 'data'>

/** What the official SDKs have no words for: streams that resume by themselves, and jobs. */
export interface MillraceClient {
  readonly jobs: Jobs
  /**
   * Creates a run that streams, on any path of the API, and yields its events through lost connections, without
   * `[DONE]`. Leaving the loop closes the connection; the run goes on unless the gateway was told otherwise.
   * Throws a {@link MillraceError} for a request that is refused; an error behind the first event is an event.
   */
  stream(path: string, body: object, options?: StreamOptions): AsyncGenerator<StreamEvent, void>
  /** The events of a run that was created before, from the first one on or behind number `after`. */
  resume(runId: string, options?: { after?: number; signal?: AbortSignal }): AsyncGenerator<StreamEvent, void>
}

export interface StreamOptions {
  signal?: AbortSignal
  /** Told the id as soon as the answer begins. */
  onRun?: (runId: string) => void
  headers?: Record<string, string>
}

export function createClient({
  baseUrl,
  apiKey,
  fetch: send = fetch,
  giveUpAfterMs,
}: ClientOptions): MillraceClient {
  const authorization: Record<string, string> =
    apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }
  const resuming = { fetch: send, ...(giveUpAfterMs !== undefined && { giveUpAfterMs }) }

  return {
    jobs: createJobs(async (path, init) => {
      const headers = { ...authorization, ...init?.headers }
      const response = await send(new URL(path, baseUrl), { ...init, headers })
      if (!response.ok) throw await MillraceError.from(response)
      return response
    }),
    async *stream(path, body, { signal, onRun, headers } = {}) {
      const post = createResumableFetch({ ...resuming, ...(onRun !== undefined && { onRun }) })
      const response = await post(new URL(path, baseUrl), {
        method: 'POST',
        headers: { ...authorization, 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ ...body, stream: true }),
        ...(signal !== undefined && { signal }),
      })
      yield* readEvents(response)
    },
    async *resume(runId, { after, signal } = {}) {
      const replay = createReplayFetch(runId, { ...resuming, ...(after !== undefined && { after }) })
      const response = await replay(new URL('/', baseUrl), {
        headers: authorization,
        ...(signal !== undefined && { signal }),
      })
      yield* readEvents(response)
    },
  }
}

async function* readEvents(response: Response): AsyncGenerator<StreamEvent, void> {
  if (!response.ok) throw await MillraceError.from(response)
  const events: StreamEvent[] = []
  const parser = createParser({ onEvent: ({ event, data }) => events.push({ event, data }) })
  const text = response.body?.pipeThrough(new TextDecoderStream()) ?? []
  for await (const piece of text) {
    parser.feed(piece)
    for (const event of events.splice(0)) if (event.data !== '[DONE]') yield event
  }
}

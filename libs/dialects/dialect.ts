import type { CanonicalRequest, ErrorRecord, FinishReason, Media, Part, RunId, Usage } from '#libs/core'

/**
 * A wire format that clients speak. Everything in it is pure: bodies, frames and errors in, the same out.
 *
 * What every dialect has: a request that can be passed on to a provider of the same dialect, and an answer in one
 * piece. {@link StreamDialect} adds answers that come in frames, {@link ChatDialect} the words of every other dialect.
 */
export type Dialect = JsonDialect | FormDialect

interface CommonDialect {
  readonly name: string
  /** The start of its run ids, such as `chatcmpl-`. */
  readonly idPrefix: string
  /** Where its runs are to be read again, if not below the path that creates them. */
  readonly resourcePath?: string
  /** The client's headers that go on to a provider of the same dialect, in lower case. */
  readonly forwardedHeaders: readonly string[]
  /** The header in which its clients look for the request's id, beside `x-request-id`. */
  readonly requestIdHeader?: string
  /**
   * Reads what the gateway needs of a body and refuses what can't be meant. Throws `invalid_request` with `param`.
   * `path` holds what the dialect says in its URL and not in its body, which is parsed JSON or, for a form, its `Media`.
   */
  readRequest(body: unknown, path?: { model: string; stream: boolean }): RequestSummary
  createObserver(context: FrameContext): AnswerObserver
  /** Whether an answer may be of another type than JSON, such as audio: it then passes as it is, and no observer sees it. */
  readonly answersMedia?: boolean
  /** Whether no provider takes anything for it. */
  readonly isFree?: boolean
  /**
   * A frame or a whole answer with its cost in US dollars, null if that is not known: beside its counts, so only where it
   * has them, or the last of them. Absent where the dialect's clients refuse a field that they don't know.
   */
  tellCost?(told: string, cost: number | null): string
  /** A stored answer with its metadata, where the dialect's clients look for it there. */
  tellMetadata?(answer: string, metadata: Record<string, string>): string
  /** The body of an error answer. */
  errorBody(error: ErrorRecord): string
  /** The status of an error answer, where the dialect's clients know another one than ours. */
  errorStatus?(error: ErrorRecord): number
}

/** A dialect whose requests are JSON, as most are. */
export interface JsonDialect extends CommonDialect {
  /** The body as the provider of the same dialect gets it: `json` with the model's name replaced, all else untouched. */
  toNativeRequest(json: string, context: { model: string; stream: boolean }): string
}

/** A dialect whose requests are forms with files, `multipart/form-data`. */
export interface FormDialect extends CommonDialect {
  /** The form as the provider of the same dialect gets it: the model's name replaced, every other byte untouched. */
  toNativeForm(form: Media, model: string): Buffer
}

/**
 * A dialect that can answer as a stream. A **frame** is one event of it as its `data` text: one line of JSON without
 * a line break. The worker makes frames (natively by {@link NativeObserver}, else by {@link FrameEncoder}) and numbers
 * them; the API tier dresses them as SSE with `toEvent` and never changes them.
 */
export interface StreamDialect extends JsonDialect {
  createObserver(context: FrameContext): NativeObserver
  /** The frames that end a stream which failed or was cancelled, the first numbered `seq`; none if it had ended. */
  errorFrames(error: ErrorRecord, seq: number, told: ToldStream): string[]
  /**
   * One SSE event. `id` is the value of the `id:` line, for dialects whose clients bear one; `acceptsEvents` says
   * that the client asked for `text/event-stream`, as browsers do and SDKs don't.
   */
  toEvent(frame: string, id: string, acceptsEvents?: boolean): string
  /** What ends every stream, after the last frame. */
  readonly streamEnd: string
  /**
   * The whole answer of a stream's frames: what a non-stream call would have got. Frames of a stream that broke off
   * give what was said until then, with nothing invented. `usage` is what was observed, for frames that don't tell.
   */
  collect(frames: readonly string[], context: FrameContext, usage?: Usage): string
  /** Frames that tell a whole answer as a stream. */
  toFrames(answer: string, context: FrameContext): string[]
}

/** A dialect that can be told in canonical words, and so be answered by providers that do not speak it. */
export interface ChatDialect extends StreamDialect {
  /** The whole body in canonical words, for the translated lane. `model` is the target's. */
  decodeRequest(body: unknown, model: string): CanonicalRequest
  createEncoder(context: FrameContext): FrameEncoder
}

/** Whether its requests are forms. */
export function isFormDialect(dialect: Dialect): dialect is FormDialect {
  return 'toNativeForm' in dialect
}

/** Whether its answers can come in frames. */
export function isStreamDialect(dialect: Dialect): dialect is StreamDialect {
  return 'toEvent' in dialect
}

/** Whether every provider with an adapter can answer it. */
export function isChatDialect(dialect: Dialect): dialect is ChatDialect {
  return 'decodeRequest' in dialect
}

/** What the gateway needs to know of a request; all else in it passes through. */
export interface RequestSummary {
  model: string
  stream: boolean
  /** Whether the stream should tell the usage. */
  includeUsage: boolean
  /** Whether the client asked that the answer be listed. */
  store: boolean
  metadata: Record<string, string>
  /** Whether the client said in the body that it will ask for the answer later. */
  background?: boolean
}

/** What frames and answers say of their run in place of the provider's own words. */
export interface FrameContext {
  rid: RunId
  /** The name the client asked for. */
  model: string
  /** Seconds since 1970. */
  createdAt: number
  includeUsage: boolean
  /** The request's body where it is at hand, for dialects whose answers repeat some of it. */
  request?: string
}

/** A stream as far as it was told: all of its frames. */
export interface ToldStream {
  context: FrameContext
  frames: readonly string[]
}

/** What was learnt of an answer while it passed through. */
export interface Observation {
  finish: FinishReason | undefined
  usage: Usage | undefined
}

/** Watches a native answer. One a call. */
export interface AnswerObserver {
  /**
   * Takes a whole answer and gives it as the client gets it. Throws the provider's error when it tells one, and
   * `upstream_protocol_error` for what is no answer of the dialect.
   */
  observeAnswer(json: string): string
  readonly observation: Observation
}

/** Watches a native stream too: rewrites ids, numbers frames, learns usage and finish. */
export interface NativeObserver extends AnswerObserver {
  /**
   * Takes one event of the provider and gives the frame for it, `undefined` for one that the client must not
   * see; only a frame uses up `seq`. Throws as `observeAnswer` does.
   */
  observe(event: { event: string | undefined; data: string }, seq: number): string | undefined
  /** True once the provider has said its end mark. Some never do: a finish reason ends an answer as well. */
  readonly ended: boolean
}

/** Tells canonical parts in the dialect. One a stream. */
export interface FrameEncoder {
  /** The frames for one part, in order, the first numbered `seq`. */
  encode(part: Part, seq: number): string[]
  readonly observation: Observation
}

import { addMissingFields, GatewayError, renameFields, type Part } from '#libs/core'
import {
  isChatDialect,
  isStreamDialect,
  type ChatDialect,
  type Dialect,
  type FrameContext,
  type Observation,
  type StreamDialect,
} from '#libs/dialects'
import type { ConnectedProvider, ProviderAnswer, ProviderCall, ProviderSpec } from '#libs/providers'
import type { RunSpec } from '#libs/runs'
import type { SseEvent } from '#libs/sse'

/** Where a call puts what it hears. */
export interface FrameSink {
  /** The number of the next frame. */
  readonly seq: number
  write(frame: string): void
}

export interface ProviderCallContext<D extends Dialect = Dialect> {
  spec: RunSpec
  body: string
  dialect: D
  frames: FrameContext
  provider: { spec: ProviderSpec; connected: ConnectedProvider | undefined }
  key: string | undefined
  signal: AbortSignal
}

/** What a call brought: for a stream, all of it went to the sink. */
export interface Heard extends Observation {
  answer: string | undefined
}

/**
 * One call to a provider, in the native lane where it speaks the client's dialect, else translated. Throws a
 * GatewayError when the provider fails, also when its stream stops before its end: a finish is never made up.
 */
export async function callProvider(context: ProviderCallContext, sink: FrameSink): Promise<Heard> {
  const { dialect } = context
  const { spec, connected } = context.provider
  const { target: model, stream } = context.spec
  const path = connected && spec.native[dialect.name]?.({ model, stream, options: connected.options })
  if (path !== undefined && connected !== undefined) {
    const call = nativeCall(context, path)
    if (stream && isStreamDialect(dialect)) {
      return streamNative({ ...context, dialect }, connected, call, sink)
    }
    return fetchNative(context, connected, call)
  }
  const answer = spec.builtIn?.answers?.[dialect.name]
  if (answer !== undefined) return observe(context, answer(JSON.parse(context.body), model))
  if (isChatDialect(dialect)) return callTranslated({ ...context, dialect }, sink)
  throw unanswerable(context)
}

function nativeCall(context: ProviderCallContext, path: string): ProviderCall {
  const { spec, body, dialect, key, provider } = context
  const request = dialect.toNativeRequest(body, { model: spec.target, stream: spec.stream })
  const names = provider.spec.nativeFields?.[dialect.name]
  const named = names === undefined ? request : renameFields(request, names)
  const defaults = provider.spec.nativeDefaults?.[dialect.name]
  const complete = defaults === undefined ? named : addMissingFields(named, defaults)
  return { path, body: complete, key, rid: spec.rid, headers: spec.headers }
}

async function streamNative(
  context: ProviderCallContext<StreamDialect>,
  connected: ConnectedProvider,
  call: ProviderCall,
  sink: FrameSink,
): Promise<Heard> {
  const answer = await connected.send(call, context.signal)
  const observer = context.dialect.createObserver(context.frames)
  const isEnded = (): boolean => observer.ended || observer.observation.finish !== undefined
  await readToEnd(answer, isEnded, (event) => {
    if (connected.spec.ownEvents?.includes(event.event ?? '') === true) return
    const frame = observer.observe(event, sink.seq)
    if (frame !== undefined) sink.write(frame)
  })
  if (!isEnded()) throw incomplete(connected.name)
  return { ...observer.observation, answer: undefined }
}

async function fetchNative(
  context: ProviderCallContext,
  connected: ConnectedProvider,
  call: ProviderCall,
): Promise<Heard> {
  const response = await connected.send(call, context.signal)
  return observe(context, await response.readText())
}

function observe({ dialect, frames }: ProviderCallContext, said: string): Heard {
  const observer = dialect.createObserver(frames)
  const answer = observer.observeAnswer(said)
  return { ...observer.observation, answer }
}

async function callTranslated(context: ProviderCallContext<ChatDialect>, sink: FrameSink): Promise<Heard> {
  const { dialect, spec } = context
  const encoder = dialect.createEncoder(context.frames)
  const whole: string[] = []
  const write = (part: Part): void => {
    const frames = encoder.encode(part, spec.stream ? sink.seq : whole.length)
    if (spec.stream) for (const frame of frames) sink.write(frame)
    else whole.push(...frames)
  }
  await streamParts(context, () => encoder.observation.finish !== undefined, write)
  const { observation } = encoder
  if (observation.finish === undefined) throw incomplete(spec.provider)
  return {
    ...observation,
    answer: spec.stream ? undefined : dialect.collect(whole, context.frames, observation.usage),
  }
}

/** The provider's answer in canonical parts, always streamed. */
async function streamParts(
  context: ProviderCallContext<ChatDialect>,
  isEnded: () => boolean,
  write: (part: Part) => void,
): Promise<void> {
  const { spec, body, dialect, provider, key, signal } = context
  const { adapter, builtIn } = provider.spec
  const request = dialect.decodeRequest(JSON.parse(body), spec.target)
  if (builtIn !== undefined) {
    for await (const part of builtIn.stream(request, signal)) write(part)
    return
  }
  const { connected } = provider
  if (adapter === undefined || connected === undefined) {
    throw unanswerable(context)
  }
  const answer = await connected.send(
    { ...adapter.toRequest(request, connected.options), key, rid: spec.rid },
    signal,
  )
  const decode = adapter.createDecoder(spec.target)
  await readToEnd(answer, isEnded, (event) => {
    for (const part of decode(event)) write(part)
  })
}

/** Reads all events. What goes wrong behind the end of the answer does not: some servers never close. */
async function readToEnd(
  answer: ProviderAnswer,
  isEnded: () => boolean,
  onEvent: (event: SseEvent) => void,
): Promise<void> {
  try {
    await answer.readEvents((events) => {
      for (const event of events) onEvent(event)
    })
  } catch (error) {
    if (!isEnded()) throw error
  }
}

function unanswerable({ spec }: ProviderCallContext): GatewayError {
  return new GatewayError('invalid_request', `Provider ${spec.provider} can't answer ${spec.endpoint}.`)
}

function incomplete(provider: string): GatewayError {
  return new GatewayError(
    'upstream_incomplete',
    `Provider ${provider} stopped before the end of its answer.`,
    {
      provider,
    },
  )
}

import { GatewayError } from '#libs/core'
import type { Dialect, FrameContext, Observation } from '#libs/dialects'
import type { ConnectedProvider, ProviderSpec } from '#libs/providers'
import type { RunSpec } from '#libs/runs'

/** Where a call puts what it hears. */
export interface FrameSink {
  /** The number of the next frame. */
  readonly seq: number
  write(frame: string): void
}

export interface ProviderCallContext {
  spec: RunSpec
  body: string
  dialect: Dialect
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
export function callProvider(context: ProviderCallContext, sink: FrameSink): Promise<Heard> {
  const { spec, connected } = context.provider
  const path = spec.native[context.dialect.name]
  if (path === undefined || connected === undefined) return callTranslated(context, sink)
  return context.spec.stream
    ? streamNative(context, connected, path, sink)
    : fetchNative(context, connected, path)
}

async function streamNative(
  context: ProviderCallContext,
  connected: ConnectedProvider,
  path: string,
  sink: FrameSink,
): Promise<Heard> {
  const answer = await connected.send(nativeCall(context, path), context.signal)
  const observer = context.dialect.createObserver(context.frames)
  try {
    await answer.readEvents((events) => {
      for (const event of events) {
        const frame = observer.observe(event, sink.seq)
        if (frame !== undefined) sink.write(frame)
      }
    })
  } catch (error) {
    // Some servers keep the connection open behind their end mark.
    if (!observer.ended) throw error
  }
  const { finish, usage } = observer.observation
  if (!observer.ended && finish === undefined) throw incomplete(connected.name)
  return { finish, usage, answer: undefined }
}

async function fetchNative(
  context: ProviderCallContext,
  connected: ConnectedProvider,
  path: string,
): Promise<Heard> {
  const response = await connected.send(nativeCall(context, path), context.signal)
  const observer = context.dialect.createObserver(context.frames)
  const answer = observer.observeAnswer(await response.readText())
  return { ...observer.observation, answer }
}

function nativeCall({ spec, body, dialect, key }: ProviderCallContext, path: string) {
  const request = dialect.toNativeRequest(body, { model: spec.target, stream: spec.stream })
  return { path, body: request, key, rid: spec.rid }
}

async function callTranslated(context: ProviderCallContext, sink: FrameSink): Promise<Heard> {
  const { dialect, provider, spec } = context
  if (provider.spec.builtIn === undefined) {
    throw new GatewayError('invalid_request', `Provider ${spec.provider} can't answer ${spec.endpoint}.`)
  }
  const request = dialect.decodeRequest(JSON.parse(context.body), spec.target)
  const encoder = dialect.createEncoder(context.frames)
  const whole: string[] = []
  const target: FrameSink = spec.stream
    ? sink
    : {
        get seq() {
          return whole.length
        },
        write: (frame) => whole.push(frame),
      }
  for await (const part of provider.spec.builtIn.stream(request, context.signal)) {
    for (const frame of encoder.encode(part, target.seq)) target.write(frame)
  }
  const { observation } = encoder
  if (observation.finish === undefined) throw incomplete(spec.provider)
  return {
    ...observation,
    answer: spec.stream ? undefined : dialect.collect(whole, context.frames, observation.usage),
  }
}

function incomplete(provider: string): GatewayError {
  return new GatewayError(
    'upstream_incomplete',
    `Provider ${provider} stopped before the end of its answer.`,
    { provider },
  )
}

import { addMissingFields, GatewayError, renameFields, type Media, type Part } from '#libs/core'
import {
  isChatDialect,
  isFormDialect,
  isStreamDialect,
  type ChatDialect,
  type Dialect,
  type FrameContext,
  type Observation,
  type StreamDialect,
} from '#libs/dialects'
import type {
  CallTimeouts,
  ConnectedProvider,
  ProviderAnswer,
  ProviderCall,
  ProviderSpec,
} from '#libs/providers'
import type { RunSpec } from '#libs/runs'
import type { SseEvent } from '#libs/sse'
import { openOperator } from '../operations/operator.ts'
import type { CostTeller } from './run-cost.ts'

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
  timeouts?: CallTimeouts | undefined
  tellCost: CostTeller
  signal: AbortSignal
}

/** What a call brought: for a stream, all of it went to the sink. */
export interface Heard extends Observation {
  answer: string | undefined
  /** As in the end of a run: the answer is base64 then. */
  answerType?: string
  /** The call has begun work that goes on at the provider, by this name. */
  operation?: string
  /** The answer's, where it came by HTTP. */
  headers?: Readonly<Record<string, string>>
}

/**
 * One call to a provider, in the native lane where it speaks the client's dialect, else translated. Throws a
 * GatewayError when the provider fails, also when its stream stops before its end: a finish is never made up.
 */
export async function callProvider(context: ProviderCallContext, sink: FrameSink): Promise<Heard> {
  const { dialect } = context
  const { spec, connected } = context.provider
  const { target: model, stream } = context.spec
  const operator = openOperator(context.provider, dialect, context)
  if (operator !== undefined) {
    const body = JSON.parse(context.body) as Record<string, unknown>
    return { finish: undefined, usage: undefined, answer: undefined, ...(await operator.start(body, model)) }
  }
  const path = connected && spec.native[dialect.name]?.({ model, stream, options: connected.options })
  if (path !== undefined && connected !== undefined) {
    const call = nativeCall(context, path)
    if (stream && isStreamDialect(dialect)) {
      return streamNative({ ...context, dialect }, connected, call, sink)
    }
    return fetchNative(context, connected, call)
  }
  const answer = spec.builtIn?.answers?.[dialect.name]
  if (answer !== undefined) return hear(context, answer(readBody(context), model))
  if (isChatDialect(dialect)) return callTranslated({ ...context, dialect }, sink)
  throw unanswerable(context)
}

function nativeCall(context: ProviderCallContext, path: string): ProviderCall {
  const { spec, dialect, key, timeouts } = context
  const { rid, headers } = spec
  const accept = dialect.answersMedia === true ? { accept: '*/*' } : {}
  return { path, ...nativeBody(context), ...accept, key, rid, headers, timeouts }
}

function nativeBody(context: ProviderCallContext): Pick<ProviderCall, 'body' | 'contentType'> {
  const { spec, body, dialect, provider } = context
  if (isFormDialect(dialect)) {
    const form = toForm(spec, body)
    return { body: dialect.toNativeForm(form, spec.target), contentType: form.type }
  }
  const request = dialect.toNativeRequest(body, { model: spec.target, stream: spec.stream })
  const names = provider.spec.nativeFields?.[dialect.name]
  const named = names === undefined ? request : renameFields(request, names)
  const defaults = provider.spec.nativeDefaults?.[dialect.name]
  return { body: defaults === undefined ? named : addMissingFields(named, defaults) }
}

function readBody({ spec, body }: ProviderCallContext): unknown {
  return spec.bodyType === undefined ? JSON.parse(body) : toForm(spec, body)
}

function toForm({ bodyType = '' }: RunSpec, body: string): Media {
  return { type: bodyType, bytes: Buffer.from(body, 'base64') }
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
    if (frame !== undefined) sink.write(context.tellCost(frame, observer.observation.usage))
  })
  if (!isEnded()) throw incomplete(connected.name)
  return { ...observer.observation, answer: undefined, headers: answer.headers }
}

async function fetchNative(
  context: ProviderCallContext,
  connected: ConnectedProvider,
  call: ProviderCall,
): Promise<Heard> {
  const response = await connected.send(call, context.signal)
  const type = readType(response)
  const { headers } = response
  if (context.dialect.answersMedia !== true || /json/i.test(type)) {
    return { ...hear(context, await response.readText()), headers }
  }
  const bytes = await response.readBytes()
  // Whoever stands before the provider answers in HTML, and nobody means that as an answer.
  if (/html/i.test(type)) {
    const message = `Provider ${connected.name} sent ${type}, which is no answer.`
    throw new GatewayError('upstream_protocol_error', message, { provider: connected.name })
  }
  return { ...hear(context, { type, bytes }), headers }
}

/** It becomes a header of ours, so it must be one that can be sent. */
function readType({ headers }: ProviderAnswer): string {
  const type = headers['content-type'] ?? ''
  return /^[\x20-\x7e]{1,200}$/.test(type) ? type : 'application/octet-stream'
}

function hear({ dialect, frames, tellCost }: ProviderCallContext, said: string | Media): Heard {
  if (typeof said !== 'string') {
    const answer = said.bytes.toString('base64')
    return { finish: undefined, usage: undefined, answer, answerType: said.type }
  }
  const observer = dialect.createObserver(frames)
  const answer = observer.observeAnswer(said)
  const { observation } = observer
  return { ...observation, answer: tellCost(answer, observation.usage) }
}

async function callTranslated(context: ProviderCallContext<ChatDialect>, sink: FrameSink): Promise<Heard> {
  const { dialect, spec, tellCost } = context
  const encoder = dialect.createEncoder(context.frames)
  const whole: string[] = []
  const write = (part: Part): void => {
    const frames = encoder.encode(part, spec.stream ? sink.seq : whole.length)
    if (spec.stream) for (const frame of frames) sink.write(tellCost(frame, encoder.observation.usage))
    else whole.push(...frames)
  }
  const headers = await streamParts(context, () => encoder.observation.finish !== undefined, write)
  const { observation } = encoder
  if (observation.finish === undefined) throw incomplete(spec.provider)
  const told = { ...observation, ...(headers !== undefined && { headers }) }
  if (spec.stream) return { ...told, answer: undefined }
  const answer = dialect.collect(whole, context.frames, observation.usage)
  return { ...told, answer: tellCost(answer, observation.usage) }
}

/** The provider's answer in canonical parts, always streamed. Gives its headers, if it came by HTTP. */
async function streamParts(
  context: ProviderCallContext<ChatDialect>,
  isEnded: () => boolean,
  write: (part: Part) => void,
): Promise<ProviderAnswer['headers'] | undefined> {
  const { spec, body, dialect, provider, key, timeouts, signal } = context
  const { adapter, builtIn } = provider.spec
  const request = dialect.decodeRequest(JSON.parse(body), spec.target)
  if (builtIn !== undefined) {
    for await (const part of builtIn.stream(request, signal)) write(part)
    return undefined
  }
  const { connected } = provider
  if (adapter === undefined || connected === undefined) {
    throw unanswerable(context)
  }
  const answer = await connected.send(
    { ...adapter.toRequest(request, connected.options), key, rid: spec.rid, timeouts },
    signal,
  )
  const decode = adapter.createDecoder(spec.target)
  await readToEnd(answer, isEnded, (event) => {
    for (const part of decode(event)) write(part)
  })
  return answer.headers
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

import type { CanonicalRequest, GatewayError, KeyHeadroom, Media, Part } from '#libs/core'
import type { BuiltInOperation, OperationAdapter } from './operations/operation.ts'

/**
 * What the gateway must know of an upstream vendor or server. A spec is a plain value, holds no state and does
 * no I/O; `connectProvider` is the only place that calls one.
 */
export interface ProviderSpec {
  /** The `type` in the configuration. */
  readonly type: string
  /** Its name in the table of prices, if that has it: what a server of unknown models costs nobody can tell. */
  readonly pricesName?: string
  /** May hold options: `https://{region}.example.com`. */
  readonly defaultBaseUrl?: string
  /** What else a base URL may hold in braces, made of the options. */
  readonly toBaseUrlParts?: (options: ProviderOptions) => Readonly<Record<string, string>>
  /** Whether a request without a key is refused at start rather than by the provider. */
  readonly needsKey: boolean
  /** What may stand for a key where it is more than one token, for the documentation. */
  readonly keyForms?: string
  /** What is wrong with a key's value, and never the value itself; without it a key is printable and has no blank. */
  readonly checkKey?: (value: string) => string | undefined
  /** The variables that vendors' own SDKs read; a provider whose key is set is found without a configuration. */
  readonly environment?: ProviderEnvironment
  /** What its configuration may or must say beside address and keys, by name. */
  readonly options?: Readonly<Record<string, ProviderOption>>
  /** The dialects that this provider speaks itself, and where: the native lane. */
  readonly native: Readonly<Record<string, NativeRoute>>
  /**
   * By dialect, the fields of a native request that have another name here, or null for those that are left out. For
   * what the gateway itself adds or keeps, and for other names of the same; what the provider refuses beyond that, it
   * may tell the client itself.
   */
  readonly nativeFields?: Readonly<Record<string, Readonly<Record<string, string | null>>>>
  /** By dialect, what a native request is given where it lacks it. */
  readonly nativeDefaults?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Events that it sends besides those of the dialects which it speaks, by name: clients break on some. */
  readonly ownEvents?: readonly string[]
  /** Headers that carry the key. */
  authorize(key: string): Record<string, string>
  /** In place of `authorize`, for headers that depend on the request or must be fetched. Made once a connection pool. */
  createSigner?(options: ProviderOptions): RequestSigner
  /** The headers that a call may add, in lower case; whatever else it asks for is not sent. */
  readonly callHeaders?: readonly string[]
  /** Headers of every call that doesn't bring its own. */
  readonly defaultHeaders?: Readonly<Record<string, string>>
  /**
   * Reads an answer of status 400 or more. `body` is what the provider sent, cut to 64 KiB. The provider's name and
   * `retry-after` are added by the caller.
   */
  readError(status: number, body: string): GatewayError
  /** What it keeps of prompts, as its vendor says; absent where it keeps nothing that the next request could use. */
  readonly promptCache?: PromptCache
  /** What the headers of an answer say of the limits of the key that was used; names in lower case. */
  readonly readHeadroom?: (headers: Readonly<Record<string, string>>) => KeyHeadroom
  /** The translated lane; absent where the provider is reached by its native dialects alone. */
  readonly adapter?: ProviderAdapter
  /** By dialect, what goes on at the provider after its answer, to be asked for and fetched. */
  readonly operations?: Readonly<Record<string, OperationAdapter>>
  /** Answers in place of HTTP: only the built-in simulator has one. */
  readonly builtIn?: BuiltInProvider
}

/** How a provider keeps the beginnings of prompts, each account its own. */
export interface PromptCache {
  /** After its last use. Where the vendor promises nothing, what is usual. */
  readonly lifetimeMs: number
  /** Shorter beginnings are not kept; of a vendor's models the most usual. */
  readonly minTokens: number
}

/** The variables that a vendor's own SDK reads. */
export interface ProviderEnvironment {
  key?: string
  baseUrl?: string
  /** For a variable that holds something else than a base URL. What it can't read it gives back, to be refused. */
  toBaseUrl?: (value: string) => string
}

/** One setting that only this type has. Its value becomes part of paths and host names. */
export interface ProviderOption {
  /** One sentence without a full stop, for the documentation. */
  description: string
  /** The variable that sets it where the configuration does not. */
  variable?: string
  /** Without one it is left out, or must be told if it is `required`. */
  default?: string
  required?: boolean
}

/** A provider's options as they are set, each with its default if it has one. */
export type ProviderOptions = Readonly<Record<string, string>>

/** A request that waits for its signature. */
export interface OutgoingRequest {
  method: 'POST'
  url: URL
  contentType: string
  body: string | Uint8Array
}

/** Keeps what it must between two calls, such as credentials that expire. */
export interface RequestSigner {
  /** The headers that prove who calls. */
  sign(request: OutgoingRequest, key: string | undefined): Promise<Record<string, string>>
  /** Told of headers that the provider refused with 401: whether the next `sign` gives others, to be tried once. */
  renew?(refused: Readonly<Record<string, string>>, key: string | undefined): boolean
}

/** What the path of a native call may depend on. */
export interface NativeCall {
  model: string
  stream: boolean
  options: ProviderOptions
}

/** The path of a native call, behind the base URL; `undefined` for a model that does not speak the dialect. */
export type NativeRoute = (call: NativeCall) => string | undefined

/** Canonical words to the provider's own and back; pure. */
export interface ProviderAdapter {
  /** The provider's request for a canonical one, always streaming. Throws `invalid_request` naming what it can't take. */
  toRequest(request: CanonicalRequest, options?: ProviderOptions): { path: string; body: string }
  /** Turns the events of this model's answer to parts. Keeps what state it needs between two calls. */
  createDecoder(model: string): (event: { event: string | undefined; data: string }) => Part[]
}

/** A provider inside the worker: yields parts and honours the signal. It throws GatewayErrors as HTTP would give. */
export interface BuiltInProvider {
  /** The models to show in a list; it may answer to more. */
  readonly models: readonly string[]
  stream(request: CanonicalRequest, signal: AbortSignal): AsyncIterable<Part>
  /** Whole answers in dialects that have no canonical words, by dialect. A form's `body` is its `Media`. */
  readonly answers?: Readonly<Record<string, (body: unknown, model: string) => string | Media>>
  readonly operations?: Readonly<Record<string, BuiltInOperation>>
}

import type { CanonicalRequest, GatewayError, Part } from '#libs/core'

/**
 * What the gateway must know of an upstream vendor or server. A spec is a plain value, holds no state and does
 * no I/O; `connectProvider` is the only place that calls one.
 */
export interface ProviderSpec {
  /** The `type` in the configuration. */
  readonly type: string
  readonly defaultBaseUrl?: string
  /** Whether a request without a key is refused at start rather than by the provider. */
  readonly needsKey: boolean
  /** The variables that vendors' own SDKs read; a provider whose key is set is found without a configuration. */
  readonly environment?: { key: string; baseUrl?: string }
  /** The dialects that this provider speaks itself, and where: the native lane. */
  readonly native: Readonly<Record<string, NativeRoute>>
  /** Headers that carry the key. */
  authorize(key: string): Record<string, string>
  /** The headers that a call may add, in lower case; whatever else it asks for is not sent. */
  readonly callHeaders?: readonly string[]
  /** Headers of every call that doesn't bring its own. */
  readonly defaultHeaders?: Readonly<Record<string, string>>
  /**
   * Reads an answer of status 400 or more. `body` is what the provider sent, cut to 64 KiB. The provider's name and
   * `retry-after` are added by the caller.
   */
  readError(status: number, body: string): GatewayError
  /** The translated lane; absent where the provider is reached by its native dialects alone. */
  readonly adapter?: ProviderAdapter
  /** Answers in place of HTTP: only the built-in simulator has one. */
  readonly builtIn?: BuiltInProvider
}

/** The path of a native call, behind the base URL. */
export type NativeRoute = (call: { model: string; stream: boolean }) => string

/** Canonical words to the provider's own and back; pure. */
export interface ProviderAdapter {
  /** The provider's request for a canonical one, always streaming. Throws `invalid_request` naming what it can't take. */
  toRequest(request: CanonicalRequest): { path: string; body: string }
  /** Turns the provider's events to parts. Keeps what state it needs between two calls. */
  createDecoder(): (event: { event: string | undefined; data: string }) => Part[]
}

/** A provider inside the worker: yields parts and honours the signal. It throws GatewayErrors as HTTP would give. */
export interface BuiltInProvider {
  /** The models to show in a list; it may answer to more. */
  readonly models: readonly string[]
  stream(request: CanonicalRequest, signal: AbortSignal): AsyncIterable<Part>
}

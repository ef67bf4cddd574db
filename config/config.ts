import type { PriceFile } from '#libs/prices'
import type { ProviderSpec } from '#libs/providers'
import type { GeneralConfig, KeyModels, Limits, ModelConfig, ModelDefaults } from './routing-config.ts'

/**
 * Everything an operator can choose, validated, frozen, with every default filled in. Durations are
 * milliseconds and end in `Ms`, sizes are bytes and end in `Bytes`.
 */
export interface Config {
  readonly server: ServerConfig
  readonly redis: RedisConfig
  readonly storage: StorageConfig
  /** Absolute; holds the private Redis of `up` and, by default, the archive. */
  readonly dataDir: string
  readonly files: FilesConfig
  readonly batches: BatchesConfig
  /** Empty means that nobody has to show a key and that all is the tenant `default`. */
  readonly keys: readonly KeyConfig[]
  /** Those that the file names; each has the defaults for what it does not say. */
  readonly tenants: readonly TenantConfig[]
  /** What holds for all other tenants. */
  readonly tenantDefaults: TenantDefaults
  /** Never empty: the simulator is always there. */
  readonly providers: readonly ProviderConfig[]
  readonly models: readonly ModelConfig[]
  /** What holds for models that do not say otherwise. */
  readonly modelDefaults: ModelDefaults
  readonly general: GeneralConfig
  readonly webhooks: WebhooksConfig
  /** What the operator's file of prices says, which beats the built-in table. */
  readonly prices?: PriceFile | undefined
}

export interface ServerConfig {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  readonly bodyLimitBytes: number
  /** How long a streamed answer may wait for its first frame before the status line is sent without it. */
  readonly streamCommitMs: number
  /** How long a whole answer is waited for on an open connection. */
  readonly syncWaitMs: number
  /** The silence after which a stream gets a comment, so that no proxy takes it for dead. */
  readonly keepAliveMs: number
  /** How long open answers may go on after a signal to stop. */
  readonly drainMs: number
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  readonly onDisconnect: OnDisconnect
  /** The age of the oldest finished run outside the archive from which on new runs are refused. */
  readonly outboxLimitMs: number
  /** How long a stream's connection may take nothing before it is closed. */
  readonly stuckReaderMs: number
  readonly websocket: WebsocketConfig
}

/** What one WebSocket, one tenant and all of them together may ask of an API process. */
export interface WebsocketConfig {
  /** The origins whose pages may connect, or `*`. Clients that are no browsers send none, and need none. */
  readonly allowedOrigins: readonly string[]
  /** How long a socket may stay open without a key. */
  readonly authTimeoutMs: number
  readonly maxMessageBytes: number
  readonly maxMessagesPerSecond: number
  /** Over all tenants, of this process. */
  readonly maxConnections: number
  /** Of one tenant, of this process; those that have not shown a key yet count as one tenant. */
  readonly maxTenantConnections: number
  /** Runs that one connection may follow at once. */
  readonly maxStreams: number
  /** What one connection may leave to be held: requests that wait for their turn, and likewise answers that it does not read. */
  readonly maxBufferedBytes: number
  /** A peer that was silent for two of these is taken for dead. */
  readonly pingIntervalMs: number
}

export interface RedisConfig {
  readonly url: string | undefined
  /** How long Redis keeps a run that is finished and in the archive. */
  readonly retainMs: number
  /** Whether to start on a Redis that may evict keys, and so may lose runs. */
  readonly allowEviction: boolean
}

export type StorageConfig =
  | { readonly driver: 'directory'; readonly path: string }
  | {
      readonly driver: 's3'
      readonly bucket: string
      readonly prefix: string
      readonly endpoint?: string | undefined
      readonly region: string
      readonly forcePathStyle: boolean
      /** Without the two keys, the AWS SDK finds credentials its own way. */
      readonly accessKeyId?: string | undefined
      readonly secretAccessKey?: string | undefined
    }

export interface FilesConfig {
  /** The largest file that is taken. */
  readonly maxBytes: number
}

export interface BatchesConfig {
  /** The most requests that one batch may hold. */
  readonly maxLines: number
  /** The most bytes that its input may have. */
  readonly maxBytes: number
  /** How many requests of one batch wait or run at once. */
  readonly inFlight: number
  /** How many batches one API process carries at once. */
  readonly atOnce: number
  /** When a batch expires that does not say so itself. */
  readonly expireAfterMs: number
}

export interface KeyConfig {
  readonly name: string
  /** In the clear, here only: whoever keeps it keeps a hash. */
  readonly key: string
  readonly tenant: string
  /** The lane of its runs; else it depends on whether somebody waits for the answer. */
  readonly priority?: Priority | undefined
  readonly models?: KeyModels | undefined
  readonly limits?: Limits | undefined
  readonly onDisconnect?: OnDisconnect | undefined
}

/** What a tenant may have of each provider's queue. */
export interface TenantDefaults {
  /** How often its runs have their turn, relative to those of others that wait in the same lane. */
  readonly weight: number
  /** Runs that may wait; absent: all that the provider's buffer takes, or half where there are several tenants. */
  readonly maxWaiting?: number | undefined
  /** Runs that may run at once; absent: as many as the provider. */
  readonly maxRunning?: number | undefined
}

export interface TenantConfig extends TenantDefaults {
  readonly name: string
}

export interface ProviderConfig {
  readonly name: string
  /** The `type` of a known provider spec. */
  readonly type: string
  /** Absent means the spec's own; without a slash at the end. */
  readonly baseUrl?: string | undefined
  readonly keys: readonly ProviderKeyConfig[]
  /** What its type needs to know beside address and keys, such as a region. */
  readonly options: Readonly<Record<string, string>>
  /** Calls at once to this provider, over all workers. */
  readonly concurrency: number
  /** Runs that may wait for this provider before new ones are refused. */
  readonly bufferSize: number
  readonly timeouts: ProviderTimeouts
  /** What is known better of its prompt cache than its type tells. */
  readonly promptCache?:
    | { readonly lifetimeMs?: number | undefined; readonly minTokens?: number | undefined }
    | undefined
}

export interface ProviderKeyConfig {
  readonly name: string
  readonly value: string
  readonly weight: number
  /** Where the provider is reached with this key; absent means the provider's own address. */
  readonly baseUrl?: string | undefined
  /** The provider's models that it is for. */
  readonly models?: KeyModels | undefined
  readonly limits?: Limits | undefined
}

export interface ProviderTimeouts {
  readonly connectMs: number
  readonly firstByteMs: number
  /** Between two pieces of one answer. */
  readonly idleMs: number
  readonly totalMs: number
}

/** How tenants' own servers are told of what has happened. */
export interface WebhooksConfig {
  readonly allowHttp: boolean
  /** Whether this machine and its private networks may be called. */
  readonly allowPrivate: boolean
  readonly ports: readonly number[]
  /** From each failed attempt to the next one; as many attempts follow the first as there are entries. */
  readonly scheduleMs: readonly number[]
  readonly timeoutMs: number
  /** How long an endpoint may take nothing before it is disabled. */
  readonly disableAfterMs: number
  /** Deliveries at once to one endpoint, from each worker. */
  readonly parallel: number
  /** The newest deliveries of each endpoint that are kept, done with or not. */
  readonly keptDeliveries: number
  /** 32 bytes, hexadecimal or base64, that seal the signing secrets where they are kept. */
  readonly encryptionKey?: string | undefined
}

export type Priority = 'interactive' | 'standard' | 'batch'

/** Whether a run goes on when its last reader has left. */
export type OnDisconnect = 'continue' | 'cancel'

/** What must be known of a provider type to check a configuration. */
export type ConfigurableProvider = Pick<
  ProviderSpec,
  'type' | 'defaultBaseUrl' | 'needsKey' | 'checkKey' | 'environment' | 'options' | 'builtIn'
>

/** The ways to choose among a model's targets. */
export const routingStrategies = [
  'load-balance',
  'priority',
  'least-busy',
  'lowest-latency',
  'lowest-cost',
  'usage-based',
  'cache-aware',
] as const

export type RoutingStrategy = (typeof routingStrategies)[number]

/** A virtual model: the name that a client asks for. */
export interface ModelConfig extends ModelDefaults {
  /** Each `*` stands for any text, if there is one. */
  readonly name: string
  readonly aliases: readonly AliasConfig[]
  /** Whether lists of models leave it out. It can be asked for all the same. */
  readonly hidden: boolean
  /** Why nothing serves it, for the client that asks; it then has no targets. */
  readonly unavailable?: string | undefined
  readonly routing: RoutingStrategy
  readonly targets: readonly TargetConfig[]
  /**
   * What becomes of a run whose worker died between the call and the first frame: it may have been paid for, and
   * `retry_once` takes the risk of paying again.
   */
  readonly onWorkerLoss: 'fail' | 'retry_once'
  /** Where an answer must lie before its end is told. */
  readonly durability: 'redis' | 's3'
  readonly onDisconnect?: 'continue' | 'cancel' | undefined
  /** For the strategy `cache-aware`. */
  readonly cacheAffinity: CacheAffinity
  /** A second call beside one that has not answered for so long; whoever answers first is heard. */
  readonly hedge?: { readonly delayMs: number } | undefined
}

/**
 * What the cache of a key must be expected to save for that key to be preferred: in money, or in tokens where the price
 * is unknown.
 */
export interface CacheAffinity {
  /** The key is then waited for. */
  readonly strongNanodollars: number
  readonly strongTokens: number
  /** The key is then taken if it is free. */
  readonly mildNanodollars: number
  readonly mildTokens: number
  /** How long a strongly preferred key that is at its limit is waited for. */
  readonly waitMs: number
}

export interface AliasConfig {
  readonly name: string
  readonly hidden: boolean
}

export interface TargetConfig {
  /** The name of one of `providers`, in its exact spelling. */
  readonly provider: string
  /** A `*` takes what a `*` in the virtual model's name stood for. */
  readonly model: string
  /** Relative to the other targets; 0 takes no share. */
  readonly weight: number
  /** The targets of the lowest order are called first, those of the next when they can't be. */
  readonly order: number
  /** Request parameters in the words of the client's dialect; a request's own win. */
  readonly params?: Readonly<Record<string, unknown>> | undefined
  readonly limits?: Limits | undefined
  readonly timeouts?: CallTimeouts | undefined
  /** Overrides the model's, for errors of every class. */
  readonly retries?: number | undefined
  /** 0 never rests. */
  readonly cooldownMs?: number | undefined
  readonly prices?: Prices | undefined
  /** The model whose price the target has, where its own name does not tell. */
  readonly baseModel?: string | undefined
}

/** What a model can set for itself; for the others `model_defaults` has it. */
export interface ModelDefaults {
  readonly timeouts?: CallTimeouts | undefined
  /** From acceptance to the end of the run, waiting included. */
  readonly deadlineMs?: number | undefined
  readonly retries?: PerError | undefined
  /** The shortest time between two attempts. */
  readonly retryDelayMs?: number | undefined
  readonly fallbacks?: Fallbacks | undefined
  readonly cooldown?: Cooldown | undefined
  readonly breaker?: Breaker | undefined
}

/** Over all processes; what is absent has no limit. */
export interface Limits {
  readonly requestsPerMinute?: number | undefined
  readonly tokensPerMinute?: number | undefined
  readonly parallel?: number | undefined
}

/** Those that are absent are the provider's. */
export interface CallTimeouts {
  readonly firstByteMs?: number | undefined
  readonly idleMs?: number | undefined
  readonly totalMs?: number | undefined
}

/** A number for each class of errors. */
export interface PerError {
  /** For the classes that are absent. */
  readonly default?: number | undefined
  readonly rateLimit?: number | undefined
  readonly timeout?: number | undefined
  readonly serverError?: number | undefined
  readonly authentication?: number | undefined
  readonly contentPolicy?: number | undefined
  readonly badRequest?: number | undefined
}

/** Virtual models to ask instead, in this order. */
export interface Fallbacks {
  /** For every error that has no list of its own; an empty list of its own means none. */
  readonly default?: readonly string[] | undefined
  readonly contextWindow?: readonly string[] | undefined
  readonly contentPolicy?: readonly string[] | undefined
}

/** When a target rests. */
export interface Cooldown {
  /** How many failures in the breaker's window it may have before. */
  readonly afterFailures?: Omit<PerError, 'contentPolicy' | 'badRequest'> | undefined
  /** 0 never rests. */
  readonly durationMs?: number | undefined
}

/** What is absent has the default of the breaker itself. */
export interface Breaker {
  /** Calls longer ago than this count no more. */
  readonly windowMs?: number | undefined
  /** With fewer calls in the window, no rate says anything. */
  readonly minCalls?: number | undefined
  /** The share of failures, above 0 and up to 1, from which on a target rests. */
  readonly failureRate?: number | undefined
  /** A call whose first byte takes longer is slow; none is without it. */
  readonly slowCallMs?: number | undefined
  readonly slowCallRate?: number | undefined
  /** The first rest; 0 never rests. */
  readonly openMs?: number | undefined
  readonly maxOpenMs?: number | undefined
  /** Calls that may try at once whether a target is well again. */
  readonly probes?: number | undefined
}

/** In US dollars for a million tokens; what is absent is looked up, and 0 is a price. */
export interface Prices {
  readonly inputPerMillion?: number | undefined
  readonly outputPerMillion?: number | undefined
  readonly cacheReadPerMillion?: number | undefined
  readonly cacheWritePerMillion?: number | undefined
  readonly cacheWrite1hPerMillion?: number | undefined
  readonly reasoningPerMillion?: number | undefined
}

/** Names of models, a client's key's virtual ones and a provider's key's own, in which a `*` stands for any text. */
export interface KeyModels {
  /** Absent allows all. */
  readonly allow?: readonly string[] | undefined
  /** Beats `allow`. */
  readonly deny?: readonly string[] | undefined
}

export interface GeneralConfig {
  /** Whether `provider/model` can be asked for where no virtual model has that name. */
  readonly directTargets: boolean
  /** Whether a parameter that a target can't take is left out rather than refused. */
  readonly dropUnsupportedParams: boolean
  /** How long a run without a deadline may wait for a key or a target that is at its limit. */
  readonly maxWaitMs: number
  /** Whether usage tells the cost to clients that do not say whether they want it. */
  readonly includeCost: boolean
  /** Whose routes, headers and statuses there are beside our own. */
  readonly compat?: 'litellm' | undefined
  /** Another header in which clients may send their key, in lower case. */
  readonly keyHeader?: string | undefined
  /** Runs that may be carried at once over all workers. */
  readonly parallel?: number | undefined
  /** How long a run of the lane may wait before it goes ahead of the lanes before its own. */
  readonly agingMs: { readonly standard: number; readonly batch: number }
}

/** What is left of one limit of a provider. */
export interface Headroom {
  limit?: number
  remaining: number
  /** Milliseconds until it is whole again. */
  resetMs: number
}

/** What a provider says in its answers of the limits of the key that was used. `tokens` is the tightest of its kind. */
export type KeyHeadroom = Partial<Record<'requests' | 'tokens' | 'input_tokens' | 'output_tokens', Headroom>>

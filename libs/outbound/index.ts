export { mayDial } from './addresses.ts'
export { createGuardedFetcher, type FetcherOptions, type GuardedFetcher } from './guarded-fetcher.ts'
export type { Answer, Posting } from './guarded-fetcher.ts'
export { findUrlProblem, type OutboundPolicy } from './policy.ts'

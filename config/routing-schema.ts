import { routingStrategies } from './routing-config.ts'
import {
  boolean,
  headerName,
  longestMs,
  milliseconds,
  modelName,
  number,
  onDisconnect,
  section,
} from './schema-parts.ts'
import { text, weight } from './schema-parts.ts'
import { z } from 'zod'

/** The part of the file that says where requests go, and what happens when that fails. */

const count = number(0, 1000)
const pricePerMillion = z.preprocess(
  (value) => (typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : value),
  z.number({ error: 'must be a number of US dollars' }).min(0),
)

export const limits = section({
  requests_per_minute: number(1, 1_000_000_000).optional(),
  tokens_per_minute: number(1, 1_000_000_000_000).optional(),
  parallel: number(1, 100_000).optional(),
})

/** A number for each class of errors; `default` is for those that are not named. */
export const perError = section({
  default: count.optional(),
  rate_limit: count.optional(),
  timeout: count.optional(),
  server_error: count.optional(),
  authentication: count.optional(),
  content_policy: count.optional(),
  bad_request: count.optional(),
})

export const fallbacks = section({
  default: z.array(modelName).optional(),
  context_window: z.array(modelName).optional(),
  content_policy: z.array(modelName).optional(),
})

/** What a client asks wrongly, and what a provider's policy forbids, is no failure of the target. */
export const failureLimits = section({
  default: count.optional(),
  rate_limit: count.optional(),
  timeout: count.optional(),
  server_error: count.optional(),
  authentication: count.optional(),
})

export const cooldown = section({
  after_failures: failureLimits.optional(),
  duration_ms: number(0, longestMs).optional(),
})

/** A part of the calls, above none and up to all. */
const share = z.preprocess(
  (value) => (typeof value === 'string' && /^(?:0?\.\d+|1(?:\.0*)?)$/.test(value) ? Number(value) : value),
  z
    .number({ error: 'must be a number above 0 and up to 1' })
    .gt(0, 'must be a number above 0 and up to 1')
    .max(1, 'must be a number above 0 and up to 1'),
)

export const breaker = section({
  window_ms: number(1_000, 3_600_000).optional(),
  min_calls: number(1, 1_000_000).optional(),
  failure_rate: share.optional(),
  slow_call_ms: milliseconds.optional(),
  slow_call_rate: share.optional(),
  open_ms: number(0, longestMs).optional(),
  max_open_ms: number(0, longestMs).optional(),
  probes: number(1, 1_000).optional(),
})

export const callTimeouts = section({
  first_byte_ms: milliseconds.optional(),
  idle_ms: milliseconds.optional(),
  total_ms: milliseconds.optional(),
})

export const prices = section({
  input_per_million: pricePerMillion.optional(),
  output_per_million: pricePerMillion.optional(),
  cache_read_per_million: pricePerMillion.optional(),
  cache_write_per_million: pricePerMillion.optional(),
  cache_write_1h_per_million: pricePerMillion.optional(),
  reasoning_per_million: pricePerMillion.optional(),
})

export const target = section({
  provider: text,
  model: text,
  weight,
  order: number(0, 1000).default(1),
  params: z.record(text, z.unknown()).optional(),
  limits: limits.optional(),
  timeouts: callTimeouts.optional(),
  retries: count.optional(),
  cooldown_ms: number(0, longestMs).optional(),
  prices: prices.optional(),
  base_model: text.optional(),
})

/** What a model can say itself, and `model_defaults` for those that do not. */
const reliability = {
  timeouts: callTimeouts.optional(),
  deadline_ms: milliseconds.optional(),
  retries: perError.optional(),
  retry_delay_ms: number(0, longestMs).optional(),
  fallbacks: fallbacks.optional(),
  cooldown: cooldown.optional(),
  breaker: breaker.optional(),
}

export const modelDefaults = section(reliability)

export const hedge = section({ delay_ms: milliseconds })

const nanodollars = number(0, Number.MAX_SAFE_INTEGER)
const tokens = number(0, 1_000_000_000)

export const cacheAffinity = section({
  strong_nanodollars: nanodollars.default(1_000_000),
  strong_tokens: tokens.default(4_000),
  mild_nanodollars: nanodollars.default(10_000),
  mild_tokens: tokens.default(500),
  // A run keeps its place at the provider meanwhile.
  wait_ms: number(0, 10_000).default(1_000),
})

export const alias = section({ name: modelName, hidden: boolean.default(false) })

export const model = section({
  name: modelName,
  aliases: z
    .array(z.preprocess((value) => (typeof value === 'string' ? { name: value } : value), alias))
    .default([]),
  hidden: boolean.default(false),
  unavailable: text.optional(),
  routing: z.enum(routingStrategies).default('load-balance'),
  targets: z.array(target).min(1).optional(),
  on_disconnect: onDisconnect.optional(),
  on_worker_loss: z.enum(['fail', 'retry_once']).default('fail'),
  durability: z.enum(['redis', 's3']).default('redis'),
  cache_affinity: cacheAffinity.prefault({}),
  hedge: hedge.optional(),
  ...reliability,
})

export const keyModels = section({
  allow: z.array(modelName).optional(),
  deny: z.array(modelName).optional(),
})

export const aging = section({
  standard: milliseconds.default(60_000),
  batch: milliseconds.default(600_000),
})

export const general = section({
  direct_targets: boolean.default(true),
  drop_unsupported_params: boolean.default(false),
  max_wait_ms: number(0, longestMs).default(180_000),
  include_cost: boolean.default(false),
  compat: z.enum(['litellm']).optional(),
  key_header: headerName.optional(),
  parallel: number(1, 1_000_000).optional(),
  aging_ms: aging.prefault({}),
})

export const routingSections = [
  limits,
  perError,
  fallbacks,
  failureLimits,
  cooldown,
  breaker,
  callTimeouts,
  prices,
  target,
  modelDefaults,
  cacheAffinity,
  hedge,
  alias,
  model,
  keyModels,
  aging,
  general,
]

import type { Tree } from '../../environment.ts'
import { compact, toMs, toNumber } from '../import-context.ts'
import type { ImportContext, Verdict } from '../import-context.ts'
import { toRules } from '../settings/setting-rules.ts'

/** What `litellm_params` and `model_info` may hold beside the name of the model and the way to its provider. */

interface Translation {
  /** The native setting that is warned of while nothing carries it out. */
  readonly native: string
  /** The part of a native target that a value makes; undefined for a value that is not valid. */
  toTarget(value: unknown): Tree | undefined
}

function toLimit(setting: string): Translation {
  return {
    native: 'models[].targets[].limits',
    toTarget: (value) => part('limits', setting, toCount(value)),
  }
}

function toTimeout(setting: string): Translation {
  return {
    native: 'models[].targets[].timeouts',
    toTarget: (value) => part('timeouts', setting, toMs(value)),
  }
}

function toPrice(setting: string): Translation {
  return {
    native: 'models[].targets[].prices',
    // Twelve digits are what a price has, and not what a float makes of it.
    toTarget(value) {
      const dollars = toNumber(value)
      const perMillion = dollars === undefined ? undefined : Number((dollars * 1e6).toPrecision(12))
      return part('prices', setting, perMillion)
    },
  }
}

function part(section: string, setting: string, value: number | undefined): Tree | undefined {
  return value === undefined ? undefined : { [section]: { [setting]: value } }
}

function single(native: string, read: (value: unknown) => number | undefined): Translation {
  return {
    native: `models[].targets[].${native}`,
    toTarget(value) {
      const number = read(value)
      return number === undefined ? undefined : { [native]: number }
    },
  }
}

function toCount(value: unknown): number | undefined {
  const number = toNumber(value)
  return number === undefined || number < 0 ? undefined : Math.round(number)
}

const retries = single('retries', toCount)

export const translations: Readonly<Record<string, Translation>> = {
  order: single('order', toCount),
  timeout: toTimeout('total_ms'),
  request_timeout: toTimeout('total_ms'),
  stream_timeout: toTimeout('first_byte_ms'),
  num_retries: retries,
  max_retries: retries,
  cooldown_time: single('cooldown_ms', (value) => toMs(value, 0)),
  max_parallel_requests: toLimit('parallel'),
  input_cost_per_token: toPrice('input_per_million'),
  output_cost_per_token: toPrice('output_per_million'),
  cache_read_input_token_cost: toPrice('cache_read_per_million'),
  cache_creation_input_token_cost: toPrice('cache_write_per_million'),
  cache_creation_input_token_cost_above_1hr: toPrice('cache_write_1h_per_million'),
  output_cost_per_reasoning_token: toPrice('reasoning_per_million'),
  base_model: {
    native: 'models[].targets[].base_model',
    toTarget: (value) => (typeof value === 'string' && value !== '' ? { base_model: value } : undefined),
  },
}

/** Limits only where LiteLLM keeps them; elsewhere they are weights. */
export const rateLimits: Readonly<Record<string, Translation>> = {
  rpm: toLimit('requests_per_minute'),
  tpm: toLimit('tokens_per_minute'),
}

export const paramRules = toRules([
  [
    'refused',
    'there are no budgets yet, and nothing else would stop the spending',
    'max_budget budget_duration',
  ],
  [
    'refused',
    'clients would choose where their requests and your keys go; take it out',
    'configurable_clientside_auth_params',
  ],
  [
    'ignored',
    'nothing is mocked; docs/simulator.md tells how to try things out without a provider',
    'mock_response mock_timeout mock_testing_fallbacks mock_testing_context_fallbacks mock_testing_content_policy_fallbacks mock_testing_rate_limit_error',
  ],
  ['ignored', 'requests are not routed by tag or region', 'tags tag_regex region_name'],
  [
    'ignored',
    'parameters are sent as the client wrote them',
    'drop_params additional_drop_params allowed_openai_params modify_params merge_reasoning_content_in_choices',
  ],
  ['ignored', 'it is the model that names the deployment', 'deployment_id'],
  ['ignored', 'calls go to the default organization of the key', 'organization'],
  [
    'ignored',
    'this release adds no headers and no fields of its own to a call',
    'extra_headers headers default_headers extra_body',
  ],
  [
    'ignored',
    'this release signs in with api_key alone',
    'azure_ad_token tenant_id client_id client_secret azure_scope azure_username azure_password',
  ],
  [
    'ignored',
    'this provider has no such option here',
    'api_version vertex_project vertex_location vertex_credentials aws_access_key_id aws_secret_access_key aws_session_token aws_region_name aws_session_name aws_profile_name aws_role_name aws_web_identity_token aws_sts_endpoint aws_external_id aws_bedrock_runtime_endpoint watsonx_region_name',
  ],
  [
    'ignored',
    'there is nothing here that it would change',
    'use_in_pass_through use_litellm_proxy use_chat_completions_api realtime_protocol s3_bucket_name s3_encryption_key_id gcs_bucket_name aws_batch_role_arn vector_store_id milvus_text_field max_file_size_mb default_api_key_tpm_limit default_api_key_rpm_limit keepalive_seconds allow_client_keepalive_override provider_affinity_header litellm_trace_id auto_router_config_path auto_router_config auto_router_default_model auto_router_embedding_model itpm otpm model_info',
  ],
])

const otherPrice = /(?:_cost(?:_|$)|_cost_per_|^tiered_pricing$)/

/** What becomes of a parameter that is no translation and in no rule; undefined for a parameter of the request. */
export function priceVerdict(key: string): readonly [Verdict, string] | undefined {
  return otherPrice.test(key)
    ? [
        'ignored',
        'only prices per token of input, output and cache are read here; a file can have more: prices',
      ]
    : undefined
}

export const infoRules = toRules([
  [
    'refused',
    'it says who may use the model and when, which this release cannot',
    'supported_environments blocked access_windows team_id',
  ],
  [
    'ignored',
    'nothing here asks for it',
    'id mode max_tokens max_input_tokens max_output_tokens access_groups team_public_model_name tier custom_tokenizer health_check_model health_check_timeout health_check_max_tokens health_check_voice disable_background_health_check description version order internal_router_model db_model updated_at updated_by created_at created_by key litellm_provider rpm tpm output_vector_size supported_openai_params',
  ],
])

/** One target of several parts: the sections of each are laid together. */
export function mergeTargets(parts: readonly Tree[]): Tree {
  const merged: Record<string, unknown> = {}
  for (const [key, value] of parts.flatMap((each) => Object.entries(each))) {
    const before = merged[key]
    merged[key] = typeof value === 'object' && typeof before === 'object' ? { ...before, ...value } : value
  }
  return compact(merged) ?? {}
}

/** Turns a parameter into its part of a target, and reports it at `path`. */
export function translate(
  context: ImportContext,
  translation: Translation,
  { value, path }: { value: unknown; path: readonly (string | number)[] },
): Tree {
  const target = value === null ? {} : translation.toTarget(value)
  if (target === undefined) context.report('ignored', path, 'does not have a value that it can have')
  else if (value === null) context.report('honoured', path, 'has no value')
  else context.became(path, translation.native)
  return target ?? {}
}

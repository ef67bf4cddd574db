import { toRules } from './setting-rules.ts'

/** What LiteLLM documents, section by section, and what becomes of it here. Keys with code of their own are not in it. */

const budgets = 'there are no budgets yet, and nothing else would stop the spending'
const python = 'this release runs no Python; take it out, or keep what it does in front of the gateway'
const access =
  'who may call what cannot be said in this way yet, and to leave it out would open more than it did'
const hooks =
  'nothing watches over requests and answers yet, and to leave it out would let through what it stopped'
const nothing = 'there is nothing here that it would change'
const database = 'there is no database: runs are in Redis and in the archive'
const redis = 'runs have a Redis of their own, which must never evict: set redis.url or REDIS_URL'
const noCache = 'answers are not cached'
const noCosts = 'costs are what providers ask for, and are counted for tenants and not for end users'
const elsewhere =
  'logs go to standard output and metrics to GET /metrics; this release sends them nowhere else'

export const topLevelRules = toRules([
  ['refused', access, 'policies policy_attachments'],
  ['ignored', elsewhere, 'callback_settings'],
  [
    'ignored',
    'this release does not serve this part of the API',
    'mcp_servers mcp_tools mcp_aliases agent_list prompts vector_store_registry search_tools assistant_settings finetune_settings files_settings default_vertex_config',
  ],
])

export const routerRules = toRules([
  ['refused', budgets, 'provider_budget_config'],
  ['ignored', redis, 'redis_url redis_host redis_port redis_password redis_db cache_kwargs'],
  ['ignored', noCache, 'cache_responses caching_groups client_ttl'],
  [
    'ignored',
    'is a part of the strategy that has no counterpart here',
    'routing_strategy_args routing_groups enable_weighted_failover',
  ],
  [
    'ignored',
    'targets are not left out before a call is made',
    'enable_pre_call_checks enable_pre_call_check enable_tag_filtering tag_filtering_match_any tag_routing_prefix enable_health_check_routing health_check_staleness_threshold health_check_ignore_transient_errors',
  ],
  [
    'ignored',
    'requests of one client are not kept at one target',
    'optional_pre_call_checks deployment_affinity_ttl_seconds model_group_affinity_config',
  ],
  ['ignored', 'a fallback has no fallbacks of its own', 'max_fallbacks'],
  ['ignored', 'each provider has a limit, its concurrency', 'default_max_parallel_requests'],
  [
    'ignored',
    'the key says in which lane a request waits: keys[].priority',
    'default_priority polling_interval',
  ],
  [
    'ignored',
    nothing,
    'set_verbose debug_level alerting_config assistants_config router_general_settings search_tools guardrail_list ignore_invalid_deployments model_list max_retries',
  ],
])

export const litellmRules = toRules([
  ['refused', budgets, 'max_budget budget_duration'],
  ['refused', hooks, 'post_call_rules pre_call_rules'],
  ['refused', python, 'custom_provider_map'],
  [
    'refused',
    'whether the archive keeps messages cannot be chosen yet: it keeps them',
    'turn_off_message_logging redact_user_api_key_info',
  ],
  [
    'ignored',
    elsewhere,
    'service_callback service_callbacks langfuse_default_tags json_logs set_verbose telemetry default_team_settings input_callback audit_log_callbacks',
  ],
  [
    'ignored',
    noCache,
    'cache cache_params enable_caching_on_provider_specific_optional_params enable_redis_auth_cache',
  ],
  [
    'ignored',
    noCosts,
    'cost_discount_config cost_margin_config disable_end_user_cost_tracking disable_end_user_cost_tracking_prometheus_only',
  ],
  [
    'ignored',
    'keys are those of the file: keys',
    'default_internal_user_params default_team_params upperbound_key_generate_params key_generation_settings max_internal_user_budget default_max_internal_user_budget enable_key_alias_format_validation default_key_generate_params',
  ],
  [
    'ignored',
    'requests are sent as the client wrote them',
    'modify_params LITELLM_DISABLE_STOP_SEQUENCE_LIMIT disable_add_transform_inline_image_block disable_copilot_system_to_assistant skip_system_message_in_guardrail route_all_chat_openai_to_responses use_chat_completions_url_for_anthropic_messages enable_json_schema_validation',
  ],
  [
    'ignored',
    nothing,
    'force_ipv4 disable_hf_tokenizer_download enable_preview_features mcp_aliases priority_reservation_settings model_group_settings global_prompt_directory network_mock public_model_groups',
  ],
])

export const generalRules = toRules([
  [
    'refused',
    python,
    'custom_auth custom_auth_run_common_checks custom_key_generate custom_sso custom_ui_sso_sign_in_handler',
  ],
  [
    'refused',
    access,
    'enable_jwt_auth litellm_jwtauth enable_oauth2_auth enable_oauth2_proxy_auth oauth2_config_mappings allowed_ips allowed_routes admin_only_routes public_routes enforce_rbac role_permissions enforced_params enforce_user_param reject_clientside_metadata_tags default_team_disabled',
  ],
  [
    'refused',
    'secrets come from the environment: write os.environ/NAME, and set the variable',
    'key_management_system key_management_settings use_azure_key_vault use_google_kms',
  ],
  [
    'refused',
    'requests go to the model that the client names',
    'completion_model embedding_model image_generation_model moderation_model infer_model_from_keys',
  ],
  [
    'ignored',
    database,
    'database_url database_type database_args database_connection_pool_limit database_connection_timeout database_connection_pool_timeout disable_prisma_schema_update allow_requests_on_db_unavailable store_model_in_db supported_db_objects use_redis_transaction_buffer disable_adding_master_key_hash_to_db',
  ],
  [
    'ignored',
    'each run has its cost in its record, and there are no other logs of spending',
    'store_prompts_in_spend_logs disable_spend_logs disable_spend_updates disable_error_logs maximum_spend_logs_retention_period maximum_spend_logs_retention_interval maximum_spend_logs_cleanup_cron proxy_batch_write_at proxy_batch_polling_interval proxy_budget_rescheduler_min_time proxy_budget_rescheduler_max_time disable_reset_budget spend_report_frequency',
  ],
  [
    'ignored',
    'these routes are not served',
    'pass_through_endpoints use_client_credentials_pass_through_routes',
  ],
  [
    'ignored',
    'it is not read who a key asks for',
    'user_header_name user_header_mappings use_x_forwarded_for',
  ],
  [
    'ignored',
    'only the headers that a provider is known to take are sent on',
    'forward_client_headers_to_llm_api forward_openai_org_id forward_llm_provider_auth_headers',
  ],
  [
    'ignored',
    'GET /readyz tells whether the gateway is well; providers are not called for it',
    'background_health_checks health_check_interval health_check_details health_check_concurrency health_check_ignore_transient_errors health_check_staleness_threshold use_shared_health_check enable_health_check_routing',
  ],
  [
    'ignored',
    elsewhere,
    'alerting alerting_threshold alert_types alert_type_config alert_to_webhook_url alerting_args otel',
  ],
  [
    'ignored',
    'keys are those of the file: keys',
    'user_api_key_cache_ttl allow_user_auth disable_master_key_return service_account_settings',
  ],
  ['ignored', 'an answer may have 32 MiB', 'max_response_size_mb'],
  [
    'ignored',
    'a client gets the usage of a stream when it asks for it',
    'always_include_stream_usage token_rate_limit_type',
  ],
  ['ignored', 'clients can bring no credentials for providers', 'allow_client_side_credentials'],
  [
    'ignored',
    nothing,
    'ui_access_mode litellm_license control_plane_url auto_redirect_ui_login_to_sso user_mcp_management_mode mcp_client_side_auth_header_name mcp_internal_ip_ranges mcp_required_fields mcp_trusted_proxy_ranges enable_mcp_registry require_end_user_mcp_access_defined search_tools enable_public_model_hub disable_responses_id_security disable_retry_on_max_parallel_request_limit_error',
  ],
])

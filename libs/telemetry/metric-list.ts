const shortSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5]
const callSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]
const waitSeconds = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 1800, 3600]

/** A metric as Prometheus shows it; its label values are bounded by `MetricsOptions` or by the code. */
export interface MetricDefinition {
  type: 'counter' | 'gauge' | 'histogram'
  name: string
  help: string
  labels: readonly string[]
  /** Upper bounds in the unit of the name; for histograms. */
  buckets?: readonly number[]
}

/** Every metric of Millrace. `docs/metrics.md` lists the same, and a test holds the two together. */
export const metricList = {
  requests: {
    type: 'counter',
    name: 'millrace_requests_total',
    help: 'Requests answered, by how they ended.',
    labels: ['endpoint', 'tenant', 'status', 'outcome'],
  },
  requestDuration: {
    type: 'histogram',
    name: 'millrace_request_duration_seconds',
    help: 'From the first byte of a request to the last byte of its answer.',
    labels: ['endpoint'],
    buckets: callSeconds,
  },
  tokens: {
    type: 'counter',
    name: 'millrace_tokens_total',
    help: 'Tokens that providers reported, by kind.',
    labels: ['provider', 'model', 'kind'],
  },
  cost: {
    type: 'counter',
    name: 'millrace_cost_dollars_total',
    help: 'US dollars that calls cost, as far as that is known.',
    labels: ['provider', 'model', 'tenant'],
  },
  costUnknown: {
    type: 'counter',
    name: 'millrace_cost_unknown_total',
    help: 'Calls that may have been paid for, and of which nobody knows what they cost.',
    labels: ['provider', 'model', 'tenant'],
  },
  queueDepth: {
    type: 'gauge',
    name: 'millrace_queue_depth',
    help: 'Runs that wait for a worker.',
    labels: ['provider'],
  },
  queueOldestAge: {
    type: 'gauge',
    name: 'millrace_queue_oldest_age_seconds',
    help: 'Age of the run that has waited longest.',
    labels: ['provider'],
  },
  queueWait: {
    type: 'histogram',
    name: 'millrace_queue_wait_seconds',
    help: 'From acceptance to the claim by a worker.',
    labels: ['provider', 'lane'],
    buckets: waitSeconds,
  },
  tenantWaiting: {
    type: 'gauge',
    name: 'millrace_tenant_waiting_runs',
    help: 'Runs of a tenant that stand in line, of all providers.',
    labels: ['tenant'],
  },
  tenantRunning: {
    type: 'gauge',
    name: 'millrace_tenant_running_runs',
    help: 'Runs of a tenant that this worker carries at the moment.',
    labels: ['tenant'],
  },
  promotions: {
    type: 'counter',
    name: 'millrace_promotions_total',
    help: 'Runs that went ahead of other lanes because they had waited too long.',
    labels: ['provider', 'lane'],
  },
  inFlight: {
    type: 'gauge',
    name: 'millrace_in_flight_runs',
    help: 'Runs that this worker carries at the moment.',
    labels: ['provider'],
  },
  timeToFirstToken: {
    type: 'histogram',
    name: 'millrace_time_to_first_token_seconds',
    help: 'From acceptance to the first content of the answer.',
    labels: ['provider', 'model'],
    buckets: callSeconds,
  },
  interTokenGap: {
    type: 'histogram',
    name: 'millrace_inter_token_gap_seconds',
    help: 'Mean time between two frames of a stream, once a stream.',
    labels: ['provider'],
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
  },
  overhead: {
    type: 'histogram',
    name: 'millrace_overhead_seconds',
    help: 'Time that the gateway itself adds, by stage.',
    labels: ['stage'],
    buckets: shortSeconds,
  },
  providerLatency: {
    type: 'histogram',
    name: 'millrace_provider_request_duration_seconds',
    help: 'One attempt at a provider, from the request to the end of its answer.',
    labels: ['provider', 'model'],
    buckets: callSeconds,
  },
  providerErrors: {
    type: 'counter',
    name: 'millrace_provider_errors_total',
    help: 'Attempts that failed, by error code.',
    labels: ['provider', 'code'],
  },
  circuitState: {
    type: 'gauge',
    name: 'millrace_circuit_state',
    help: 'Whether a target may be called: 0 closed, 1 half-open, 2 open.',
    labels: ['provider', 'model'],
  },
  circuitOpened: {
    type: 'counter',
    name: 'millrace_circuit_opened_total',
    help: 'Circuits, of targets and of their keys, that calls of this worker have opened.',
    labels: ['provider', 'model'],
  },
  routingDecisions: {
    type: 'counter',
    name: 'millrace_routing_decisions_total',
    help: 'Requests sent to a provider, by the model asked for and its strategy.',
    labels: ['model', 'strategy', 'provider'],
  },
  cacheAffinity: {
    type: 'counter',
    name: 'millrace_cache_affinity_total',
    help: 'Answers of cache-aware models, by what came of the prompt cache that was preferred.',
    labels: ['outcome'],
  },
  keyRefused: {
    type: 'gauge',
    name: 'millrace_key_refused',
    help: 'Whether the provider refuses this key, which is then not used.',
    labels: ['provider', 'key'],
  },
  keyHeadroom: {
    type: 'gauge',
    name: 'millrace_key_headroom',
    help: 'What is left of a limit of this key, as the provider last said.',
    labels: ['provider', 'key', 'kind'],
  },
  requeues: {
    type: 'counter',
    name: 'millrace_requeues_total',
    help: 'Runs that a worker gave back: to another provider because of a failure, to wait for capacity, or while the provider is at work on it.',
    labels: ['provider', 'reason'],
  },
  streamSubscribers: {
    type: 'gauge',
    name: 'millrace_stream_subscribers',
    help: 'Readers that follow a run in this process.',
    labels: [],
  },
  streamResumes: {
    type: 'counter',
    name: 'millrace_stream_resumes_total',
    help: 'Readers that came back with a cursor.',
    labels: [],
  },
  websocketConnections: {
    type: 'gauge',
    name: 'millrace_websocket_connections',
    help: 'WebSockets that are open in this process.',
    labels: [],
  },
  websocketCloses: {
    type: 'counter',
    name: 'millrace_websocket_closes_total',
    help: 'WebSockets that were closed, by reason.',
    labels: ['reason'],
  },
  outboxRuns: {
    type: 'gauge',
    name: 'millrace_outbox_runs',
    help: 'Finished runs that are not yet archived.',
    labels: [],
  },
  archiveLag: {
    type: 'gauge',
    name: 'millrace_archive_lag_seconds',
    help: 'Age of the oldest finished run that is not yet archived.',
    labels: [],
  },
  refusals: {
    type: 'counter',
    name: 'millrace_refusals_total',
    help: 'New runs refused because Redis is nearly full or the archive has been away, by reason.',
    labels: ['reason'],
  },
  deadLetters: {
    type: 'counter',
    name: 'millrace_dead_letters_total',
    help: 'Runs that no worker could carry.',
    labels: ['provider'],
  },
  webhookAttempts: {
    type: 'counter',
    name: 'millrace_webhook_attempts_total',
    help: 'Attempts to deliver an event to an endpoint, by how they went.',
    labels: ['outcome'],
  },
  webhookAge: {
    type: 'histogram',
    name: 'millrace_webhook_delivery_age_seconds',
    help: 'From an event to its being taken by an endpoint.',
    labels: [],
    buckets: [...waitSeconds, 18_000, 86_400, 259_200],
  },
  webhookDropped: {
    type: 'counter',
    name: 'millrace_webhook_dropped_total',
    help: 'Deliveries that were not done with and gave way to newer ones of their endpoint.',
    labels: [],
  },
  webhookDepth: {
    type: 'gauge',
    name: 'millrace_webhook_queue_depth',
    help: 'Deliveries that are not done with.',
    labels: [],
  },
  webhookLateness: {
    type: 'gauge',
    name: 'millrace_webhook_lateness_seconds',
    help: 'By how much the most overdue delivery is late.',
    labels: [],
  },
  batchesHeld: {
    type: 'gauge',
    name: 'millrace_held_batches',
    help: 'Batches that this process carries at the moment.',
    labels: [],
  },
  batchesEnded: {
    type: 'counter',
    name: 'millrace_batches_total',
    help: 'Batches that have ended, by their last status.',
    labels: ['status'],
  },
  batchLines: {
    type: 'counter',
    name: 'millrace_batch_lines_total',
    help: 'Requests of batches that have a result, by what became of them.',
    labels: ['outcome'],
  },
  collectErrors: {
    type: 'counter',
    name: 'millrace_collect_errors_total',
    help: 'Scrapes that could not read a value, such as a queue depth while Redis was away.',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>

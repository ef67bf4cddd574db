import type { FastifyInstance } from 'fastify'
import type { RestingKey } from '#libs/keys'
import type { CircuitReport } from '#libs/routing'
import type { ApiDeps } from '../deps.ts'

/** For load balancers and Prometheus; none of it needs a key or calls a provider. */
export function health(app: FastifyInstance, deps: ApiDeps): void {
  app.get('/healthz', () => ({ status: 'ok' }))

  app.get<{ Querystring: { verbose?: string } }>('/readyz', async (request, reply) => {
    const redis = await deps.redis.ping().then(
      () => 'ok',
      () => 'unreachable',
    )
    const isReady = redis === 'ok' && !deps.isDraining
    return reply.code(isReady ? 200 : 503).send({
      status: isReady ? 'ready' : 'not_ready',
      redis,
      archive: deps.admission.archive,
      draining: deps.isDraining,
      ...(request.query.verbose !== undefined && {
        circuits: deps.health.circuits().map(toCircuit),
        // What can't be read is told by `redis`.
        resting_keys: (await deps.readKeyRests().catch(() => [])).map(toRestingKey),
      }),
    })
  })

  app.get('/metrics', async (_request, reply) => {
    deps.metrics.streamSubscribers({}).set(deps.readers.count)
    showCircuits(deps)
    deps.metrics.websocketConnections({}).set(deps.sockets.count)
    return reply.type(deps.metrics.contentType).send(await deps.metrics.render())
  })
}

function toCircuit({ provider, model, key, state, untilMs, opens }: CircuitReport) {
  return {
    provider,
    model,
    // Its limits belong to no key, and neither does its own circuit.
    ...(key && { key }),
    state: state === 'open' && untilMs <= Date.now() ? 'half-open' : state,
    retry_in_ms: Math.max(0, Math.ceil(untilMs - Date.now())),
    openings: opens,
  }
}

function toRestingKey({ provider, key, reason, untilMs }: RestingKey) {
  return { provider, key, reason, retry_in_ms: Math.max(0, Math.ceil(untilMs - Date.now())) }
}

const circuitNumbers = { closed: 0, 'half-open': 1, open: 2 }

/** Of the targets that the configuration names: what clients make up must not become labels. */
function showCircuits({ config, health, metrics }: ApiDeps): void {
  for (const { targets } of config.models) {
    for (const { provider, model } of targets) {
      if (model.includes('*')) continue
      metrics.circuitState({ provider, model }).set(circuitNumbers[health.look({ provider, model }).circuit])
    }
  }
}

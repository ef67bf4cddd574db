import type { FastifyInstance } from 'fastify'
import type { ApiDeps } from '../deps.ts'

/** For load balancers and Prometheus; none of it needs a key or calls a provider. */
export function health(app: FastifyInstance, deps: ApiDeps): void {
  app.get('/healthz', () => ({ status: 'ok' }))

  app.get('/readyz', async (_request, reply) => {
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
    })
  })

  app.get('/metrics', async (_request, reply) => {
    deps.metrics.streamSubscribers({}).set(deps.readers.count)
    return reply.type(deps.metrics.contentType).send(await deps.metrics.render())
  })
}

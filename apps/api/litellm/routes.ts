import type { FastifyInstance } from 'fastify'
import type { Price } from '#libs/prices'
import packageJson from '../../../package.json' with { type: 'json' }
import type { ApiDeps } from '../deps.ts'

/** What LiteLLM answers to load balancers, and without a key. */
export function litellmHealth(app: FastifyInstance, deps: ApiDeps): void {
  for (const path of ['/health/liveliness', '/health/liveness']) {
    app.get(path, (_request, reply) => reply.type('application/json').send(JSON.stringify("I'm alive!")))
  }
  app.get('/health/readiness', async (_request, reply) => {
    const isReady = !deps.isDraining && (await deps.redis.ping().then(Boolean, () => false))
    return reply.code(isReady ? 200 : 503).send({
      status: isReady ? 'healthy' : 'unhealthy',
      db: 'Not connected',
      cache: null,
      litellm_version: packageJson.version,
      success_callbacks: [],
    })
  })
}

/** Each target of each model that is listed, with what it costs. */
export function modelInfo(app: FastifyInstance, { config, prices }: ApiDeps): void {
  app.get('/model/info', () => ({
    data: config.models
      .filter(({ hidden }) => !hidden)
      .flatMap(({ name, targets }) =>
        targets.map(({ provider, model }) => ({
          model_name: name,
          litellm_params: { model: `${provider}/${model}` },
          model_info: {
            id: `${provider}/${model}`,
            db_model: false,
            ...toCosts(prices.priceOf(provider, model)),
          },
        })),
      ),
  }))
}

/** In US dollars for one token, as LiteLLM tells them; null where nobody knows. */
function toCosts(price: Price | undefined): Record<string, number | null> {
  const toDollars = (rate: number | undefined): number | null => (rate === undefined ? null : rate / 1e12)
  return {
    input_cost_per_token: toDollars(price?.input),
    output_cost_per_token: toDollars(price?.output),
    cache_read_input_token_cost: toDollars(price?.cacheRead),
    cache_creation_input_token_cost: toDollars(price?.cacheWrite),
  }
}

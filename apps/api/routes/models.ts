import type { FastifyInstance } from 'fastify'
import { findProviderSpec } from '#libs/providers'
import type { ApiDeps } from '../deps.ts'

/** When this process began, which is as old as its models are. */
const created = (): number => Math.floor((Date.now() - performance.now()) / 1000)

/** The models that can be asked for by name. `provider/model` works for any model that a provider has. */
export function models(app: FastifyInstance, { router, config }: ApiDeps): void {
  const builtIn = config.providers.flatMap(({ name, type }) => {
    return findProviderSpec(type)?.builtIn?.models.map((model) => `${name}/${model}`) ?? []
  })
  const data = [...router.names, ...builtIn].map((id) => ({
    id,
    object: 'model',
    created: created(),
    owned_by: 'millrace',
  }))

  app.get('/v1/models', () => ({ object: 'list', data }))

  app.get<{ Params: { '*': string } }>('/v1/models/*', (request) => {
    const id = request.params['*']
    const listed = data.find((model) => model.id === id)
    if (listed !== undefined) return listed
    const { provider } = router.choose(id)
    return { id, object: 'model', created: created(), owned_by: provider }
  })
}

import type { FastifyInstance } from 'fastify'
import { anthropicMessages } from '#libs/dialects'
import { findProviderSpec } from '#libs/providers'
import type { ApiDeps } from '../deps.ts'
import { speaksAnthropic } from '../request-dialect.ts'

interface Model {
  id: string
  ownedBy: string
}

interface ByName {
  Params: { '*': string }
}

/** When this process began, in milliseconds, which is as old as its models are. */
const createdAtMs = (): number => Date.now() - performance.now()

/** The models that can be asked for by name. `provider/model` works for any model that a provider has. */
export function models(app: FastifyInstance, { router, config }: ApiDeps): void {
  const direct = config.general.directTargets ? config.providers : []
  const builtIn = direct.flatMap(({ name, type }) => {
    return findProviderSpec(type)?.builtIn?.models.map((model) => `${name}/${model}`) ?? []
  })
  const listed = [...router.names, ...builtIn].map((id): Model => ({ id, ownedBy: 'millrace' }))

  function find(id: string): Model {
    return listed.find((model) => model.id === id) ?? { id, ownedBy: router.choose(id).provider }
  }

  app.get('/v1/models', (request) =>
    speaksAnthropic(request) ? toAnthropicList(listed) : { object: 'list', data: listed.map(toOpenaiModel) },
  )
  app.get<ByName>('/v1/models/*', (request) => {
    const model = find(request.params['*'])
    return speaksAnthropic(request) ? toAnthropicModel(model) : toOpenaiModel(model)
  })

  const ofAnthropic = { config: { dialect: anthropicMessages } }
  app.get('/anthropic/v1/models', ofAnthropic, () => toAnthropicList(listed))
  app.get<ByName>('/anthropic/v1/models/*', ofAnthropic, (request) =>
    toAnthropicModel(find(request.params['*'])),
  )
}

function toOpenaiModel({ id, ownedBy }: Model): object {
  return { id, object: 'model', created: Math.floor(createdAtMs() / 1000), owned_by: ownedBy }
}

function toAnthropicList(all: readonly Model[]): object {
  return {
    data: all.map(toAnthropicModel),
    has_more: false,
    first_id: all[0]?.id ?? null,
    last_id: all.at(-1)?.id ?? null,
  }
}

function toAnthropicModel({ id }: Model): object {
  return { type: 'model', id, display_name: id, created_at: new Date(createdAtMs()).toISOString() }
}

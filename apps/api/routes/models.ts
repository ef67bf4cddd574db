import type { FastifyInstance, FastifyRequest } from 'fastify'
import { anthropicMessages, gemini } from '#libs/dialects'
import { findProviderSpec } from '#libs/providers'
import { checkModel } from '../caller-limits.ts'
import type { ApiDeps } from '../deps.ts'
import { dialectOf } from '../request-dialect.ts'

interface Model {
  id: string
  ownedBy: string
}

interface ByName {
  Params: { '*': string }
}

/** When this process began, in milliseconds, which is as old as its models are. */
const createdAtMs = (): number => Date.now() - performance.now()

/** How a vendor's clients want to be told of models. */
interface Shape {
  one(model: Model): object
  list(all: readonly Model[]): object
}

const openaiShape: Shape = {
  one: toOpenaiModel,
  list: (all) => ({ object: 'list', data: all.map(toOpenaiModel) }),
}
const otherShapes: Readonly<Record<string, Shape>> = {
  [anthropicMessages.name]: { one: toAnthropicModel, list: toAnthropicList },
  [gemini.name]: { one: toGeminiModel, list: (all) => ({ models: all.map(toGeminiModel) }) },
}

/** The models that can be asked for by name. `provider/model` works for any model that a provider has. */
export function models(scope: FastifyInstance, { router, config }: ApiDeps): void {
  const direct = config.general.directTargets ? config.providers : []
  const builtIn = direct.flatMap(({ name, type }) => {
    return findProviderSpec(type)?.builtIn?.models.map((model) => `${name}/${model}`) ?? []
  })
  const listed = [...router.names, ...builtIn].map((id): Model => ({ id, ownedBy: 'millrace' }))
  const shapeFor = (request: FastifyRequest): Shape => otherShapes[dialectOf(request).name] ?? openaiShape

  scope.get('/models', (request) => {
    const { mayAsk } = request.caller
    const seen = listed.filter(({ id }) => mayAsk(id, router.servedBy(id) ?? id))
    return shapeFor(request).list(seen)
  })
  scope.get<ByName>('/models/*', (request) => {
    const id = request.params['*']
    checkModel({ router }, request.caller, id)
    const model = listed.find((each) => each.id === id) ?? { id, ownedBy: router.choose(id).provider }
    return shapeFor(request).one(model)
  })
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

function toGeminiModel({ id }: Model): object {
  const supportedGenerationMethods = ['generateContent', 'countTokens']
  return { name: `models/${id}`, displayName: id, supportedGenerationMethods }
}

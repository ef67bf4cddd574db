import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isJsonObject, isMedia, setTopLevelFields } from '#libs/core'
import { openaiTranscriptions } from '#libs/dialects'
import type { ApiDeps } from './deps.ts'
import { litellmHealth, modelInfo } from './litellm/routes.ts'
import { messages } from './routes/anthropic-messages.ts'
import { audio } from './routes/audio.ts'
import { batches } from './routes/batches.ts'
import { chatCompletions } from './routes/chat-completions.ts'
import { files } from './routes/files.ts'
import { geminiModels, geminiSlashModels } from './routes/gemini.ts'
import { generate } from './routes/generate.ts'
import { jobs } from './routes/jobs.ts'
import { messageBatches } from './routes/message-batches.ts'
import { models } from './routes/models.ts'
import { openaiEndpoints, reranking } from './routes/openai-endpoints.ts'
import { blocksSocket } from './routes/blocks-socket.ts'
import { responsesSocket } from './routes/responses-socket.ts'
import { responses } from './routes/responses.ts'
import { videos } from './routes/videos.ts'
import { webhookEndpoints } from './routes/webhook-endpoints.ts'

/** Routes with paths of their own, below whatever prefix they are put. */
type Routes = (scope: FastifyInstance, deps: ApiDeps) => void

const openai: readonly Routes[] = [
  chatCompletions,
  responses,
  responsesSocket,
  openaiEndpoints,
  audio,
  files,
  batches,
  videos,
  models,
  webhookEndpoints,
]

/**
 * Where the routes are: all of them below `/v1`, and each vendor's also below its own name, with the paths behind it
 * that its clients know. So their base URL is all that has to be changed, and a vendor's paths can be told apart.
 */
const mounts: Readonly<Record<string, readonly Routes[]>> = {
  '/v1': [...openai, reranking, messages, messageBatches, generate, jobs],
  '/v2': [reranking],
  '/openai/v1': openai,
  '/openai': openai,
  '/openai/deployments/:deployment': [nameDeployment, chatCompletions, responses, openaiEndpoints, audio],
  '/anthropic/v1': [messages, messageBatches, models],
}

/** LiteLLM serves OpenAI's without a prefix, too. */
const litellmMounts: Readonly<Record<string, readonly Routes[]>> = {
  '': [...openai, reranking, modelInfo],
  '/v1': [modelInfo],
  '/engines/:deployment': [nameDeployment, chatCompletions, openaiEndpoints],
}

/** Google's are apart from the others, since here a key may stand in the URL. */
const googleMounts: Readonly<Record<string, readonly Routes[]>> = {
  '/v1': [geminiModels],
  '/v1beta': [geminiModels, geminiSlashModels, models],
  '/genai/v1': [geminiModels, geminiSlashModels, models],
  '/genai/v1beta': [geminiModels, geminiSlashModels, models],
}

/** Puts every dialect's routes below its prefixes; each of them asks for a key before all else. */
export function mountRoutes(app: FastifyInstance, deps: ApiDeps): void {
  mount(app, deps, mounts, ({ headers }) => headers)
  if (deps.config.general.compat !== undefined) {
    litellmHealth(app, deps)
    mount(app, deps, litellmMounts, ({ headers }) => headers)
  }
  mount(app, deps, googleMounts, ({ headers, query }) => {
    const { key } = query as Record<string, unknown>
    return typeof key === 'string' ? { 'x-goog-api-key': key, ...headers } : headers
  })
  // A browser's key comes with its first message.
  app.register(async (scope) => blocksSocket(scope, deps), { prefix: '/v1' })
}

function mount(
  app: FastifyInstance,
  deps: ApiDeps,
  table: Readonly<Record<string, readonly Routes[]>>,
  keyHolder: (request: FastifyRequest) => IncomingHttpHeaders,
): void {
  for (const [prefix, routes] of Object.entries(table)) {
    app.register(
      async (scope) => {
        scope.addHook('onRequest', async (request, reply) => {
          request.caller = deps.authenticate(keyHolder(request))
          reply.headers(app.compatibility?.callerHeaders(request.caller) ?? {})
        })
        for (const put of routes) put(scope, deps)
      },
      { prefix },
    )
  }
}

/** Azure's clients tell the model in the path; whatever the body says, that is the one. */
function nameDeployment(scope: FastifyInstance): void {
  scope.addHook<{ Params: { deployment: string } }>('preHandler', async (request) => {
    const model = request.params.deployment
    if (isMedia(request.body)) {
      const bytes = openaiTranscriptions.toNativeForm(request.body, model)
      request.body = { type: request.body.type, bytes }
      request.bodyText = bytes.toString('base64')
      return
    }
    if (!isJsonObject(request.body)) return
    request.body = { ...request.body, model }
    request.bodyText = setTopLevelFields(request.bodyText, { model }) ?? request.bodyText
  })
}

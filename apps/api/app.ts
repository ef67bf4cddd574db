import { isUtf8 } from 'node:buffer'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { createRequestIds, GatewayError } from '#libs/core'
import type { Caller } from './authenticate.ts'
import type { ApiDeps } from './deps.ts'
import { answerUnreadable, logFailure, sendError, toGatewayError } from './error-handler.ts'
import { createCompatibility, type Compatibility } from './litellm/compatibility.ts'
import { mountRoutes } from './mounts.ts'
import { observeRequest } from './observe-request.ts'
import { createJsonReader, type ReadJson } from './read-json.ts'
import { dialectOf } from './request-dialect.ts'
import { health } from './routes/health.ts'
import { isUpgrade, routeUpgrades } from './websocket/upgrade.ts'

declare module 'fastify' {
  interface FastifyInstance {
    readJson: ReadJson
    /** How answers look for clients of another gateway, if the configuration asks for it. */
    compatibility: Compatibility | undefined
  }
  interface FastifyRequest {
    /** Who calls; set before any handler runs that needs a key. */
    caller: Caller
    /** The body as it came, for what passes through untouched; in base64 if it is a form. */
    bodyText: string
    startedAtMs: number
  }
}

/** The HTTP face, without a port: `listen` or `inject` it. Closing it leaves `deps` open. */
export function createApp(deps: ApiDeps): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: deps.config.server.bodyLimitBytes,
    // Fastify's own default waits for a slow sender for ever.
    requestTimeout: 30_000,
    genReqId: createRequestIds(),
    http: { shouldUpgradeCallback: isUpgrade },
    // Room for the longest name of a model; ids are shorter.
    routerOptions: { maxParamLength: 512 },
    forceCloseConnections: 'idle',
    clientErrorHandler: answerUnreadable,
    frameworkErrors: (thrown, request, reply) => {
      void sendError(reply.header('x-request-id', request.id), toGatewayError(thrown))
    },
  })
  app.decorate('compatibility', createCompatibility(deps.config))
  app.decorate('readJson', createJsonReader(app))
  app.decorateRequest('caller')
  app.decorateRequest('bodyText', '')
  app.decorateRequest('startedAtMs', 0)
  readJsonAsText(app)
  app.setErrorHandler((thrown, request, reply) => {
    const error = toGatewayError(thrown)
    logFailure(deps.logger, error, { requestId: request.id, path: request.routeOptions.url })
    return sendError(reply, error)
  })
  app.setNotFoundHandler((request, reply) => {
    const { method } = request
    return sendError(
      reply,
      new GatewayError('route_not_found', `There is no ${method} ${pathOf(request)} here.`),
    )
  })
  app.addHook('onRequest', async (request, reply) => {
    request.startedAtMs = performance.now()
    reply.header('x-request-id', request.id)
    const { requestIdHeader } = dialectOf(request)
    if (requestIdHeader !== undefined) reply.header(requestIdHeader, request.id)
    const named = request.headers['x-client-request-id']
    if (typeof named === 'string' && /^[\x21-\x7e]{1,200}$/.test(named))
      reply.header('x-client-request-id', named)
  })
  observeRequests(app, deps)
  routeUpgrades(app, deps)
  health(app, deps)
  mountRoutes(app, deps)
  return app
}

/**
 * Parses JSON and keeps its text: the native lane sends on what the client wrote, and not what a parser made of it.
 * An empty body is no body, since some clients declare JSON on every request.
 */
function readJsonAsText(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) return done(null)
    if (request.headers['content-encoding'] !== undefined) {
      return done(new GatewayError('unsupported_media_type', 'Send the body without a content-encoding.'))
    }
    if (!isUtf8(body)) return done(new GatewayError('invalid_json', 'The body is not valid UTF-8.'))
    const text = body.toString()
    request.bodyText = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
    let value: unknown
    try {
      value = app.readJson(request.bodyText)
    } catch (error) {
      return done(GatewayError.from(error))
    }
    done(null, value)
  })
}

function observeRequests(app: FastifyInstance, { metrics }: ApiDeps): void {
  app.addHook('onResponse', async (request, reply) => {
    observeRequest(metrics, {
      endpoint: request.routeOptions.url ?? 'none',
      tenant: (request.caller as Caller | undefined)?.tenant ?? 'none',
      status: reply.raw.statusCode,
      startedAtMs: request.startedAtMs,
    })
  })
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0]?.slice(0, 200) ?? ''
}

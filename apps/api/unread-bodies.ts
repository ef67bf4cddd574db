import type { FastifyInstance } from 'fastify'
import { GatewayError } from '#libs/core'

/** Leaves the bodies of this scope, if they have the given type, to their handlers, who read them as they come. */
export function takeBodiesUnread(scope: FastifyInstance, contentType: string): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(contentType, (request, _payload, done) => {
    if (request.headers['content-encoding'] === undefined) return done(null)
    done(new GatewayError('unsupported_media_type', 'Send the body without a content-encoding.'))
  })
  scope.addContentTypeParser('*', (_request, _payload, done) => {
    done(new GatewayError('unsupported_media_type', `Send the body as content-type: ${contentType}.`))
  })
}

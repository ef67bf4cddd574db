import type { FastifyInstance } from 'fastify'
import { GatewayError, type Media } from '#libs/core'
import { openaiSpeech, openaiTranscriptions, openaiTranslations } from '#libs/dialects'
import { createRun } from '../create-run.ts'
import type { ApiDeps } from '../deps.ts'

/** OpenAI's speech, from text and to text. The runs are read again as jobs. */
export function audio(app: FastifyInstance, deps: ApiDeps): void {
  app.post('/audio/speech', (request, reply) => createRun(deps, openaiSpeech, request, reply))
  app.register(async (scope) => {
    readForms(scope)
    for (const [path, dialect] of [
      ['/audio/transcriptions', openaiTranscriptions],
      ['/audio/translations', openaiTranslations],
    ] as const) {
      scope.post(path, (request, reply) => createRun(deps, dialect, request, reply))
    }
  })
}

/** Takes forms and nothing else in this scope. They stay as they came; what the gateway must know, the dialect reads. */
function readForms(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('multipart/form-data', { parseAs: 'buffer' }, (request, bytes: Buffer, done) => {
    if (request.headers['content-encoding'] !== undefined) {
      return done(new GatewayError('unsupported_media_type', 'Send the body without a content-encoding.'))
    }
    request.bodyText = bytes.toString('base64')
    const form: Media = { type: request.headers['content-type'] ?? '', bytes }
    done(null, form)
  })
  scope.addContentTypeParser('*', (_request, _payload, done) => {
    done(new GatewayError('unsupported_media_type', 'Send the body as content-type: multipart/form-data.'))
  })
}

import { GatewayError, isJsonObject } from '#libs/core'

/** The provider's error as it stands in a stream or an answer: `{"error": {…}}`, `{"error": "…"}`, or the bare object. */
export function readErrorEvent(event: unknown): GatewayError {
  const error = isJsonObject(event) && event.error ? event.error : event
  const fields = isJsonObject(error) ? error : { message: error }
  const message =
    typeof fields.message === 'string' && fields.message !== ''
      ? fields.message
      : 'The provider broke off its answer with an error.'
  return new GatewayError('upstream_error', message, {
    raw: { ...pickWord('type', fields.type), ...pickWord('code', fields.code) },
    ...(typeof fields.param === 'string' && { param: fields.param }),
  })
}

function pickWord(name: 'type' | 'code', value: unknown): { [K in typeof name]?: string } {
  return typeof value === 'string' || typeof value === 'number' ? { [name]: String(value) } : {}
}

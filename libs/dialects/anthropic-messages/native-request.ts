import { findTopLevelFields, GatewayError, spliceText } from '#libs/core'

/** The client's body for a provider of the same dialect, under its name of the model. Every other byte is the client's. */
export function toNativeRequest(json: string, context: { model: string }): string {
  const models = findTopLevelFields(json, ['model'])
  if (models === undefined || models.length === 0) {
    throw new GatewayError('invalid_request', 'The request body must be a JSON object with a model.')
  }
  const text = JSON.stringify(context.model)
  return spliceText(
    json,
    models.map(({ start, end }) => ({ start, end, text })),
  )
}

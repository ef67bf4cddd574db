import { findTopLevelFields, GatewayError, isRunId, spliceText, type JsonField } from '#libs/core'

/**
 * The client's body for a provider of the same dialect: under the provider's name of the model, streamed if the
 * run is, and never in the background, since the waiting is done here. A previous response of ours means nothing
 * to the provider: the input holds its conversation already. Every other byte is the client's.
 */
export function toNativeRequest(json: string, context: { model: string; stream: boolean }): string {
  const fields = findTopLevelFields(json, ['model', 'stream', 'background', 'previous_response_id'])
  if (fields?.some((field) => field.name === 'model') !== true) {
    throw new GatewayError('invalid_request', 'The request body must be a JSON object with a model.')
  }
  const edits = fields.flatMap((field) => {
    const text = toProviderValue(field, json, context)
    return text === undefined ? [] : [{ start: field.start, end: field.end, text }]
  })
  const opening = json.indexOf('{') + 1
  const asksForStream = fields.some((field) => field.name === 'stream')
  if (context.stream && !asksForStream)
    edits.unshift({ start: opening, end: opening, text: '"stream":true,' })
  return spliceText(json, edits)
}

function toProviderValue(
  { name, start, end }: JsonField,
  json: string,
  context: { model: string; stream: boolean },
): string | undefined {
  switch (name) {
    case 'model':
      return JSON.stringify(context.model)
    case 'stream':
      return String(context.stream)
    case 'background':
      return 'false'
    default:
      return isRunId(json.slice(start + 1, end - 1)) ? 'null' : undefined
  }
}

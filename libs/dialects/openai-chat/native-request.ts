import { findTopLevelFields, GatewayError, spliceText, type JsonField } from '#libs/core'

type Edit = { start: number; end: number; text: string }

/**
 * The client's body for a provider of the same dialect: under the provider's name of the model, and with the usage
 * asked for in a stream, since we count it even if the client doesn't want it. Every other byte is the client's.
 */
export function toNativeRequest(json: string, context: { model: string; stream: boolean }): string {
  const fields = findTopLevelFields(json, ['model', 'stream_options'])
  const models = fields?.filter((field) => field.name === 'model') ?? []
  if (fields === undefined || models.length === 0) {
    throw new GatewayError('invalid_request', 'The request body must be a JSON object with a model.')
  }
  const edits = models.map((field) => replace(field, JSON.stringify(context.model)))
  if (context.stream) edits.push(...askForUsage(json, fields))
  return spliceText(
    json,
    edits.toSorted((a, b) => a.start - b.start),
  )
}

function askForUsage(json: string, fields: readonly JsonField[]): Edit[] {
  const options = fields.filter((field) => field.name === 'stream_options')
  if (options.length > 0) {
    return options.map((field) => replace(field, withUsage(json.slice(field.start, field.end))))
  }
  const start = json.indexOf('{') + 1
  return [{ start, end: start, text: '"stream_options":{"include_usage":true},' }]
}

function withUsage(options: string): string {
  const fields = findTopLevelFields(options)
  if (fields === undefined || fields.length === 0) return '{"include_usage":true}'
  const told = fields.filter((field) => field.name === 'include_usage')
  if (told.length > 0)
    return spliceText(
      options,
      told.map((field) => replace(field, 'true')),
    )
  return `{"include_usage":true,${options.slice(1)}`
}

function replace(field: JsonField, text: string): Edit {
  return { start: field.start, end: field.end, text }
}

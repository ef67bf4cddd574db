import { GatewayError, isJsonObject, setTopLevelFields } from '#libs/core'

/** What a provider said, as an object. Throws `upstream_protocol_error` for anything else. */
export function parseProviderJson(json: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw protocolError('The provider sent what is no valid JSON.', cause)
  }
  if (!isJsonObject(value)) throw protocolError('The provider sent what is no JSON object.')
  return value
}

/** What a provider said under names of ours, every other byte as it came. */
export function renameProviderJson(json: string, ours: Readonly<Record<string, unknown>>): string {
  const renamed = setTopLevelFields(json, ours)
  if (renamed === undefined) throw protocolError('The provider sent what is no JSON object.')
  return renamed
}

/** The provider's answer is not one of its dialect. */
export function protocolError(message: string, cause?: unknown): GatewayError {
  return new GatewayError('upstream_protocol_error', message, { cause })
}

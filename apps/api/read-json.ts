import type { FastifyInstance } from 'fastify'
import { GatewayError, maxJsonDepth } from '#libs/core'

/** Parses what a client wrote. Throws `invalid_json`, and `invalid_request` for what is nested too deeply. */
export type ReadJson = (text: string) => unknown

/** It looks at the text alone, whatever its type says. */
type Parse = (request: undefined, text: string, done: (error: Error | null, value?: unknown) => void) => void

const deepestJson = 64
const notJson = 'The body is not valid JSON, or has a key such as "__proto__", which is not let in.'

export function createJsonReader(app: FastifyInstance): ReadJson {
  const parse = app.getDefaultJsonParser('error', 'error') as unknown as Parse
  return (text) => {
    if (maxJsonDepth(text, deepestJson) > deepestJson) {
      throw new GatewayError('invalid_request', `The body is nested deeper than ${deepestJson} levels.`)
    }
    let parsed: unknown
    parse(undefined, text, (error, value) => {
      if (error !== null) throw new GatewayError('invalid_json', notJson, { cause: error })
      parsed = value
    })
    return parsed
  }
}

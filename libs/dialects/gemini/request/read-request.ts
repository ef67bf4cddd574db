import type { RequestSummary } from '../../dialect.ts'
import { refuse } from '../../request/checks.ts'
import { readBody } from './gemini-body.ts'

const longestName = 256

/** The body is checked, the model and the kind of answer come from the URL. Fields that we don't know pass. */
export function readRequest(body: unknown, path?: { model: string; stream: boolean }): RequestSummary {
  if (path === undefined) throw new TypeError('A Gemini request tells its model in the URL.')
  const { model, stream } = path
  if (model === '') refuse('model', 'The URL names no model: call /v1beta/models/MODEL:generateContent.')
  if (model.length > longestName || /\p{Cc}/u.test(model)) {
    refuse('model', `A model's name has at most ${longestName} characters, none of them a control character.`)
  }
  readBody(body)
  return { model, stream, includeUsage: true, store: false, metadata: {} }
}

import { GatewayError, isMedia, parseForm, type FormPart, type Media } from '#libs/core'
import type { FormDialect, RequestSummary } from '../dialect.ts'
import { checkName, refuse } from '../request/checks.ts'
import { commonParts, noStream, type AnswerDialectOptions } from './create-answer-dialect.ts'

/** As `createAnswerDialect`, with a form for a request; `asks` is the name of its file. */
export function createFormDialect(options: AnswerDialectOptions): FormDialect {
  const { asks } = options
  return {
    ...commonParts(options),
    readRequest: (body) => readRequest(body, asks),
    toNativeForm,
  }
}

function readRequest(body: unknown, asks: string): RequestSummary {
  if (!isMedia(body)) {
    throw new GatewayError('unsupported_media_type', 'Send the body as content-type: multipart/form-data.')
  }
  const parts = parseForm(body)
  const model = readText(body, findModel(parts))
  checkName(model, 'model')
  if (!parts.some((part) => part.name === asks && part.isFile)) {
    refuse(asks, `Missing required parameter: '${asks}', a part of the form with a file name.`)
  }
  const streams = parts.some((part) => part.name === 'stream' && /^(?:true|1)$/i.test(readText(body, part)))
  if (streams) refuse('stream', noStream)
  return { model, stream: false, includeUsage: false, store: false, metadata: {} }
}

function toNativeForm(form: Media, model: string): Buffer {
  const { start, end } = findModel(parseForm(form))
  return Buffer.concat([form.bytes.subarray(0, start), Buffer.from(model), form.bytes.subarray(end)])
}

/** The only one: of two, the provider may take the other. */
function findModel(parts: readonly FormPart[]): FormPart {
  const [model, ...others] = parts.filter((part) => part.name === 'model')
  if (model === undefined || model.isFile) refuse('model', 'You must provide a model parameter.')
  if (others.length > 0) refuse('model', 'The form says more than once which model is meant.')
  return model
}

function readText({ bytes }: Media, { start, end }: FormPart): string {
  return bytes.toString('utf8', start, end)
}

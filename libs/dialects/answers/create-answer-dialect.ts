import { findTopLevelFields, spliceText, type JsonField, type Usage } from '#libs/core'
import type { AnswerObserver, FrameContext, JsonDialect, RequestSummary } from '../dialect.ts'
import { errorBody } from '../openai-chat/events.ts'
import { toNativeRequest } from '../openai-chat/native-request.ts'
import { readErrorEvent } from '../openai-chat/read-error-event.ts'
import { protocolError } from '../provider-json.ts'
import { addCost } from '../add-cost.ts'
import { checkBody, checkName, isAbsent, refuse } from '../request/checks.ts'
import { readUsage } from '../openai-chat/words.ts'

export interface AnswerDialectOptions {
  name: string
  idPrefix?: string
  /** What a request must hold, beside the model. */
  asks: string
  /** What makes JSON an answer; absent if none is one. */
  answers?: string
  answersMedia?: true
  /** Reads what was counted, of the answer's fields; its `usage` in OpenAI's words, if it is left out. */
  readUsage?: (answer: Readonly<Record<string, unknown>>) => Usage | undefined
}

/**
 * A dialect of JSON in, JSON out: whatever is in a request goes to a provider of the same dialect, and its answer
 * comes back as it is, but for the model's name.
 */
export function createAnswerDialect(options: AnswerDialectOptions): JsonDialect {
  const { asks } = options
  return {
    ...commonParts(options),
    readRequest: (body) => readRequest(body, asks),
    toNativeRequest,
  }
}

/** What such a dialect has, whatever its requests are. */
export function commonParts(options: Omit<AnswerDialectOptions, 'asks'>) {
  const { name, idPrefix = 'run_', answersMedia = false } = options
  return {
    name,
    idPrefix,
    resourcePath: '/v1/jobs',
    forwardedHeaders: [],
    answersMedia,
    createObserver: (context: FrameContext) => createObserver(context, options),
    tellCost: (told: string, cost: number | null) => addCost(told, ['usage'], cost),
    errorBody,
  }
}

/** What a request gets that asks for a stream. */
export const noStream = 'This endpoint answers in one piece: it has no stream.'

function readRequest(body: unknown, asks: string): RequestSummary {
  checkBody(body)
  if (isAbsent(body.model)) refuse('model', 'You must provide a model parameter.')
  checkName(body.model, 'model')
  if (isAbsent(body[asks])) refuse(asks, `Missing required parameter: '${asks}'.`)
  if (body.stream === true) refuse('stream', noStream)
  if (body.stream_format === 'sse') refuse('stream_format', noStream)
  return { model: body.model, stream: false, includeUsage: false, store: false, metadata: {} }
}

function createObserver(
  { model }: FrameContext,
  options: Pick<AnswerDialectOptions, 'answers' | 'readUsage'>,
): AnswerObserver {
  let usage: Usage | undefined

  return {
    observeAnswer(json) {
      const fields = findTopLevelFields(json)
      if (fields === undefined) throw protocolError('The provider sent what is no JSON object.')
      const read = (name: string): unknown => readField(json, fields, name)
      if (read('error')) throw readErrorEvent({ error: read('error') })
      if (options.answers === undefined) throw protocolError('The provider sent JSON in place of an answer.')
      if (!fields.some((field) => field.name === options.answers)) {
        throw protocolError(`The provider answered without \`${options.answers}\`.`)
      }
      const counted = { usage: read('usage'), meta: read('meta') }
      usage = options.readUsage === undefined ? readUsage(counted.usage) : options.readUsage(counted)
      return spliceText(
        json,
        fields
          .filter((field) => field.name === 'model')
          .map(({ start, end }) => ({ start, end, text: JSON.stringify(model) })),
      )
    },
    get observation() {
      return { finish: undefined, usage }
    },
  }
}

/** Only the small fields are parsed: the large ones are vectors and images, which nobody here looks into. */
function readField(json: string, fields: readonly JsonField[], name: string): unknown {
  const field = fields.find((each) => each.name === name)
  if (field === undefined) return undefined
  try {
    return JSON.parse(json.slice(field.start, field.end))
  } catch (cause) {
    throw protocolError('The provider sent what is no valid JSON.', cause)
  }
}

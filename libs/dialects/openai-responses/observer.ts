import {
  findTopLevelFields,
  GatewayError,
  isJsonObject,
  isRunId,
  spliceText,
  type FinishReason,
  type JsonField,
  type Usage,
} from '#libs/core'
import type { FrameContext, NativeObserver } from '../dialect.ts'
import { parseProviderJson, protocolError, renameProviderJson } from '../provider-json.ts'
import { readFields } from './response-object.ts'
import { isTerminalType, isToolCall, readFinish, readType, readUsage } from './words.ts'

type JsonObject = Record<string, unknown>

/** Inside a string the quotes are escaped, so no text of the model can look like this. */
const sequenceNumber = /"sequence_number"\s*:\s*(\d+)/

/**
 * Watches a stream of response events: under our id and our numbers, with all else as it came. Only events that
 * hold the response are looked into, and of the others not even their deltas are parsed. What isn't the
 * response's (a provider's keep-alives) is dropped, since clients stop at an event that they don't know.
 */
export function createObserver(context: FrameContext): NativeObserver {
  const rename = createRename(context)
  let ended = false
  let finish: FinishReason | undefined
  let usage: Usage | undefined

  /** From a whole response, with which an answer ends. */
  function learn(json: string, type?: string): JsonObject {
    const response = parseProviderJson(json)
    const { status, error, output } = response
    if (status === 'failed' || type === 'response.failed') throw toProviderError(error)
    const callsTools = Array.isArray(output) && output.some(isToolCall)
    finish = readFinish(status, response.incomplete_details, callsTools)
    usage = readUsage(response.usage)
    ended = true
    return response
  }

  return {
    observe({ event, data: text }, seq) {
      // A line break between two tokens is as good as a space, and a frame is one line.
      const data = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]+/g, ' ') : text
      if (ended) return undefined
      const type = readType(data) ?? event
      if (type === 'error') throw readErrorEvent(data)
      if (type?.startsWith('response.') !== true) return undefined
      if (type.endsWith('.delta') && data.endsWith('}')) return renumberDelta(data, seq)
      const fields = findTopLevelFields(data)
      if (fields === undefined) throw protocolError('The provider sent what is no JSON object.')
      const response = fields.find((field) => field.name === 'response')
      if (response === undefined) return renumber(data, fields, seq)
      const json = data.slice(response.start, response.end)
      if (isTerminalType(type)) learn(json, type)
      return renumber(data, fields, seq, { ...response, text: rename(json) })
    },

    observeAnswer(json) {
      if (!Array.isArray(learn(json).output)) throw protocolError('The provider answered without `output`.')
      return rename(json)
    },

    get ended() {
      return ended
    },
    get observation() {
      return { finish, usage }
    },
  }
}

/** Puts our names in place of the provider's: what it never heard of, and what only means something to it. */
function createRename(context: FrameContext): (response: string) => string {
  const asked = readFields(context.request, ['background', 'previous_response_id'])
  const { background, previous_response_id: previous } = asked
  const ours: Readonly<JsonObject> = {
    id: context.rid,
    model: context.model,
    ...(background === true && { background }),
    ...(typeof previous === 'string' && isRunId(previous) && { previous_response_id: previous }),
  }
  return (json) => renameProviderJson(json, ours)
}

function renumberDelta(data: string, seq: number): string {
  const match = sequenceNumber.exec(data)
  if (match === null) return insertNumber(data, seq)
  if (match[1] === String(seq)) return data
  return spliceText(data, [
    { start: match.index, end: match.index + match[0].length, text: `"sequence_number":${seq}` },
  ])
}

function renumber(
  data: string,
  fields: readonly JsonField[],
  seq: number,
  response?: { start: number; end: number; text: string },
): string {
  const numbers = fields.filter((field) => field.name === 'sequence_number')
  const edits = numbers.map(({ start, end }) => ({ start, end, text: String(seq) }))
  if (response !== undefined) edits.push(response)
  const text = spliceText(
    data,
    edits.toSorted((a, b) => a.start - b.start),
  )
  return numbers.length > 0 ? text : insertNumber(text, seq)
}

function insertNumber(data: string, seq: number): string {
  const opening = data.indexOf('{') + 1
  return `${data.slice(0, opening)}"sequence_number":${seq},${data.slice(opening)}`
}

/** OpenAI's schema has the error flat in the event, its wire in an object of its own. */
function readErrorEvent(data: string): GatewayError {
  const event = parse(data)
  return toProviderError(isJsonObject(event) && isJsonObject(event.error) ? event.error : event)
}

function toProviderError(error: unknown): GatewayError {
  const { type, code, message, param } = isJsonObject(error) ? error : {}
  return new GatewayError(
    'upstream_error',
    typeof message === 'string' && message !== ''
      ? message
      : 'The provider broke off its answer with an error.',
    {
      raw: {
        ...(typeof type === 'string' && type !== 'error' && { type }),
        ...(typeof code === 'string' && { code }),
      },
      ...(typeof param === 'string' && { param }),
    },
  )
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

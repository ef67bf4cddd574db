import { isJsonObject } from '#libs/core'
import type { RequestSummary } from '../../dialect.ts'
import { checkMessages } from './check-messages.ts'
import { checkTools } from './check-tools.ts'
import {
  checkBody,
  checkBoolean,
  checkName,
  checkNumber,
  checkObject,
  checkSchema,
  checkString,
  isAbsent,
  mostTokens,
  refuse,
  refuseType,
} from '../../request/checks.ts'
import { readMetadata } from '../../request/metadata.ts'

type JsonObject = Record<string, unknown>

const booleans = ['stream', 'store', 'logprobs', 'parallel_tool_calls']
const strings = [
  'user',
  'reasoning_effort',
  'service_tier',
  'verbosity',
  'safety_identifier',
  'prompt_cache_key',
]
const numbers: Readonly<Record<string, { min: number; max: number; isInteger?: boolean }>> = {
  temperature: { min: 0, max: 2 },
  top_p: { min: 0, max: 1 },
  frequency_penalty: { min: -2, max: 2 },
  presence_penalty: { min: -2, max: 2 },
  n: { min: 1, max: 128, isInteger: true },
  max_tokens: { min: 1, max: mostTokens, isInteger: true },
  max_completion_tokens: { min: 1, max: mostTokens, isInteger: true },
  top_logprobs: { min: 0, max: 20, isInteger: true },
  seed: { min: -(2 ** 63), max: 2 ** 63, isInteger: true },
}

/**
 * Reads what the gateway needs of a chat request and refuses what can't be meant, whichever provider gets it.
 * Fields that we don't know pass. It is on the path of every request, so it looks only where it must.
 */
export function readRequest(body: unknown): RequestSummary {
  checkBody(body)
  if (isAbsent(body.model)) refuse('model', 'You must provide a model parameter.')
  checkName(body.model, 'model')
  checkMessages(body.messages)
  for (const name of booleans) checkBoolean(body, name)
  for (const name of strings) checkString(body, name)
  for (const [name, range] of Object.entries(numbers)) checkNumber(body, name, range)
  checkStop(body.stop)
  checkStreamOptions(body)
  checkResponseFormat(body.response_format)
  checkTools(body)
  return {
    model: body.model,
    stream: body.stream === true,
    includeUsage: isJsonObject(body.stream_options) && body.stream_options.include_usage === true,
    store: body.store === true,
    metadata: readMetadata(body.metadata),
  }
}

/** OpenAI takes 4 sequences, others more. */
function checkStop(stop: unknown): void {
  if (isAbsent(stop)) return
  const sequences: unknown[] = Array.isArray(stop) ? stop : [stop]
  if (sequences.length > 16) refuse('stop', `Invalid 'stop': expected at most 16, got ${sequences.length}.`)
  for (const sequence of sequences) {
    if (typeof sequence !== 'string') refuseType('stop', 'a string or an array of strings', sequence)
    if (sequence === '') refuse('stop', "Invalid 'stop': a stop sequence may not be empty.")
  }
}

function checkStreamOptions(body: JsonObject): void {
  const options = body.stream_options
  if (isAbsent(options)) return
  checkObject(options, 'stream_options')
  if (body.stream !== true) {
    refuse('stream_options', "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
  }
  const included = options.include_usage
  if (!isAbsent(included) && typeof included !== 'boolean') {
    refuseType('stream_options.include_usage', 'a boolean', included)
  }
}

function checkResponseFormat(format: unknown): void {
  if (isAbsent(format)) return
  checkObject(format, 'response_format')
  if (typeof format.type !== 'string') refuseType('response_format.type', 'a string', format.type)
  if (format.type !== 'json_schema') return
  checkObject(format.json_schema, 'response_format.json_schema')
  checkName(format.json_schema.name, 'response_format.json_schema.name')
  checkSchema(format.json_schema.schema, 'response_format.json_schema.schema')
}

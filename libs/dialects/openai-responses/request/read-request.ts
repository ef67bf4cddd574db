import type { RequestSummary } from '../../dialect.ts'
import {
  checkArray,
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
import { checkInput, checkTools } from './check-input.ts'

type JsonObject = Record<string, unknown>

const booleans = ['stream', 'store', 'background', 'parallel_tool_calls']
const strings = [
  'instructions',
  'previous_response_id',
  'prompt_cache_key',
  'safety_identifier',
  'service_tier',
  'truncation',
  'user',
]
const numbers: Readonly<Record<string, { min: number; max: number; isInteger?: boolean }>> = {
  temperature: { min: 0, max: 2 },
  top_p: { min: 0, max: 1 },
  max_output_tokens: { min: 1, max: mostTokens, isInteger: true },
  max_tool_calls: { min: 1, max: mostTokens, isInteger: true },
  top_logprobs: { min: 0, max: 20, isInteger: true },
}

/**
 * Reads what the gateway needs of a request and refuses what can't be meant, whichever provider gets it. Fields
 * that we don't know pass. A response in the background is always streamed from the provider, so that it can be
 * looked at while it grows. There is no list of responses, so none is asked for.
 */
export function readRequest(body: unknown): RequestSummary {
  checkBody(body)
  if (isAbsent(body.model)) refuse('model', 'You must provide a model parameter.')
  checkName(body.model, 'model')
  for (const name of booleans) checkBoolean(body, name)
  for (const name of strings) checkString(body, name)
  for (const [name, range] of Object.entries(numbers)) checkNumber(body, name, range)
  checkConversation(body)
  checkInput(body.input)
  checkTools(body)
  checkText(body.text)
  checkReasoning(body.reasoning)
  if (!isAbsent(body.include)) checkArray(body.include, 'include')
  if (body.background === true && body.store === false) {
    refuse('background', "A response in the background is asked for later: it can't have 'store' false.")
  }
  return {
    model: body.model,
    stream: body.stream === true || body.background === true,
    ...(body.background === true && { background: true }),
    includeUsage: true,
    store: false,
    metadata: readMetadata(body.metadata),
  }
}

function checkConversation(body: JsonObject): void {
  const { input, conversation, prompt, previous_response_id: previous } = body
  if (!isAbsent(conversation) && !isAbsent(previous)) {
    refuse('previous_response_id', "Send either 'previous_response_id' or 'conversation', not both.")
  }
  if ([input, conversation, prompt, previous].every(isAbsent)) {
    refuse('input', "Missing required parameter: 'input'.")
  }
}

function checkText(text: unknown): void {
  if (isAbsent(text)) return
  checkObject(text, 'text')
  const { format } = text
  if (isAbsent(format)) return
  checkObject(format, 'text.format')
  if (typeof format.type !== 'string') refuseType('text.format.type', 'a string', format.type)
  if (format.type !== 'json_schema') return
  checkName(format.name, 'text.format.name')
  checkSchema(format.schema, 'text.format.schema')
}

function checkReasoning(reasoning: unknown): void {
  if (isAbsent(reasoning)) return
  checkObject(reasoning, 'reasoning')
  const { effort } = reasoning
  if (!isAbsent(effort) && typeof effort !== 'string') refuseType('reasoning.effort', 'a string', effort)
}

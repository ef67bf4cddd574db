import { isJsonObject } from '#libs/core'
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
import { checkMessages, checkSystem } from './check-messages.ts'

type JsonObject = Record<string, unknown>

const maxStopSequences = 64

const objects = ['metadata', 'thinking', 'output_config', 'cache_control']
/** The version 2026-10-21 knows no sampling any more: whether the model does is the provider's to say. */
const numbers: Readonly<Record<string, { min: number; max: number; isInteger?: boolean }>> = {
  temperature: { min: 0, max: 1 },
  top_p: { min: 0, max: 1 },
  top_k: { min: 0, max: mostTokens, isInteger: true },
}

/**
 * Reads what the gateway needs of a Messages request and refuses what can't be meant, whichever provider gets it.
 * Fields that we don't know pass. It is on the path of every request, so it looks only where it must.
 */
export function readRequest(body: unknown): RequestSummary {
  const summary = readPrompt(body)
  const { max_tokens: maxTokens, stop_sequences: stop } = body as JsonObject
  if (isAbsent(maxTokens)) refuse('max_tokens', 'max_tokens: Field required')
  // 0 asks for nothing but the prompt's place in the cache.
  checkNumber(body as JsonObject, 'max_tokens', { min: 0, max: mostTokens, isInteger: true })
  for (const [name, range] of Object.entries(numbers)) checkNumber(body as JsonObject, name, range)
  checkBoolean(body as JsonObject, 'stream')
  checkStop(stop)
  return { ...summary, stream: (body as JsonObject).stream === true }
}

/** The same for a body that asks for no answer: what of it makes the prompt. */
export function readPrompt(body: unknown): RequestSummary {
  checkBody(body)
  if (isAbsent(body.model)) refuse('model', 'model: Field required')
  checkName(body.model, 'model')
  checkMessages(body.messages)
  checkSystem(body.system)
  for (const name of objects) if (!isAbsent(body[name])) checkObject(body[name], name)
  if (isJsonObject(body.metadata)) checkString(body.metadata, 'user_id')
  if (isJsonObject(body.thinking) && typeof body.thinking.type !== 'string') {
    refuseType('thinking.type', 'a string', body.thinking.type)
  }
  checkTools(body)
  return { model: body.model, stream: false, includeUsage: true, store: false, metadata: {} }
}

function checkStop(stop: unknown): void {
  if (isAbsent(stop)) return
  checkArray(stop, 'stop_sequences')
  if (stop.length > maxStopSequences) {
    refuse('stop_sequences', `stop_sequences: at most ${maxStopSequences} are taken, got ${stop.length}.`)
  }
  for (const sequence of stop) {
    if (typeof sequence !== 'string') refuseType('stop_sequences', 'an array of strings', sequence)
    if (sequence === '') refuse('stop_sequences', 'stop_sequences: a stop sequence may not be empty.')
  }
}

/** Kinds of tools that we don't know pass. */
function checkTools(body: JsonObject): void {
  const tools = body.tools ?? []
  checkArray(tools, 'tools')
  for (const [index, tool] of tools.entries()) {
    const param = `tools[${index}]`
    checkObject(tool, param)
    if (!isAbsent(tool.type) && tool.type !== 'custom') continue
    checkName(tool.name, `${param}.name`)
    checkObject(tool.input_schema, `${param}.input_schema`)
    checkSchema(tool.input_schema, `${param}.input_schema`)
  }
  const choice = body.tool_choice
  if (isAbsent(choice)) return
  checkObject(choice, 'tool_choice')
  if (typeof choice.type !== 'string') refuseType('tool_choice.type', 'a string', choice.type)
  if (choice.type === 'tool') checkName(choice.name, 'tool_choice.name')
}

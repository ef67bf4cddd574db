import {
  GatewayError,
  isRunId,
  type CanonicalRequest,
  type ResponseFormat,
  type Tool,
  type ToolChoice,
} from '#libs/core'
import { isAbsent, refuse } from '../../request/checks.ts'
import { decodeInput } from './decode-input.ts'
import { readRequest } from './read-request.ts'
import type { ResponsesBody, ResponsesTool, TextFormat } from './responses-body.ts'

/**
 * The whole request in canonical words. What no canonical field holds travels in `extensions`; what the answer would
 * silently lack (a conversation that the provider keeps, a tool that it runs) is refused, naming the field.
 */
export function decodeRequest(body: unknown, model: string): CanonicalRequest {
  readRequest(body)
  // readRequest has looked at each field that ResponsesBody names.
  const {
    model: _model,
    stream: _stream,
    stream_options: _streamOptions,
    store: _store,
    background: _background,
    metadata: _metadata,
    previous_response_id: previous,
    input,
    instructions,
    tools,
    tool_choice: toolChoice,
    parallel_tool_calls: parallelToolCalls,
    max_output_tokens: maxOutputTokens,
    temperature,
    top_p: topP,
    text,
    reasoning,
    include,
    top_logprobs: topLogprobs,
    user,
    ...others
  } = body as ResponsesBody
  refuseUntranslatable(others, previous)
  const { system, messages } = decodeInput(input ?? [])
  const choice = decodeToolChoice(toolChoice)
  const format = decodeFormat(text?.format)
  const wantsLogprobs = include?.includes('message.output_text.logprobs') === true
  return {
    model,
    system: isAbsent(instructions) ? system : [{ type: 'text', text: instructions }, ...system],
    messages,
    tools: (tools ?? []).map(decodeTool),
    stop: [],
    ...(choice !== undefined && { toolChoice: choice }),
    ...(format !== undefined && { responseFormat: format }),
    ...(!isAbsent(parallelToolCalls) && { parallelToolCalls }),
    ...(!isAbsent(maxOutputTokens) && { maxOutputTokens }),
    ...(!isAbsent(temperature) && { temperature }),
    ...(!isAbsent(topP) && { topP }),
    ...(!isAbsent(reasoning?.effort) && { reasoning: { effort: reasoning.effort } }),
    ...((wantsLogprobs || !isAbsent(topLogprobs)) && { logprobs: { top: topLogprobs ?? 0 } }),
    ...(!isAbsent(user) && { user }),
    extensions: Object.keys(others).length === 0 ? {} : { 'openai-responses': others },
  }
}

function refuseUntranslatable(others: Record<string, unknown>, previous: string | null | undefined): void {
  // One of ours was put in front of the input when the request was accepted.
  if (!isAbsent(previous) && !isRunId(previous)) throw previousNotFound(previous)
  for (const name of ['conversation', 'prompt']) {
    if (!isAbsent(others[name])) refuse(name, `This model knows no '${name}': send it all in 'input'.`)
  }
}

/** OpenAI's words for a conversation that can't be continued. */
export function previousNotFound(id: string): GatewayError {
  return new GatewayError(
    'previous_response_not_found',
    `Previous response with id '${id.slice(0, 100)}' not found.`,
    { param: 'previous_response_id' },
  )
}

function decodeTool(tool: ResponsesTool, index: number): Tool {
  if (tool.type !== 'function') {
    refuse(`tools[${index}].type`, `This model takes tools of type 'function' only, not '${tool.type}'.`)
  }
  const { name, description, parameters, strict } = tool
  return {
    name,
    parameters: parameters ?? { type: 'object', properties: {} },
    ...(typeof description === 'string' && { description }),
    ...(typeof strict === 'boolean' && { strict }),
  }
}

function decodeToolChoice(choice: ResponsesBody['tool_choice']): ToolChoice | undefined {
  if (isAbsent(choice)) return undefined
  if (typeof choice === 'string') return choice
  if (choice.type === 'function') return { name: choice.name }
  refuse('tool_choice.type', `This model knows no tool choice of type '${choice.type}'.`)
}

function decodeFormat(format: TextFormat | null | undefined): ResponseFormat | undefined {
  if (isAbsent(format) || format.type === 'text') return undefined
  if (format.type === 'json_object') return { type: 'json' }
  if (format.type !== 'json_schema') {
    refuse('text.format.type', `This model knows no text format '${format.type}'.`)
  }
  const { name, schema, strict } = format
  return { type: 'json-schema', name, schema: schema ?? {}, ...(typeof strict === 'boolean' && { strict }) }
}

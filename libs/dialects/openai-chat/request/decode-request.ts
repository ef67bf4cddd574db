import type { CanonicalRequest, ResponseFormat, Tool, ToolChoice } from '#libs/core'
import { isAbsent, refuse } from '../../request/checks.ts'
import { decodeMessages, readCacheMarker } from './decode-messages.ts'
import { readRequest } from './read-request.ts'
import type { ChatBody, ChatTool } from './chat-body.ts'

/**
 * The whole request in canonical words. What no canonical field holds travels in `extensions`; what the answer would
 * silently lack (a second choice, sound, an old-style function) is refused, naming the field.
 */
export function decodeRequest(body: unknown, model: string): CanonicalRequest {
  readRequest(body)
  // readRequest has looked at each field that ChatBody names.
  const {
    model: _model,
    stream: _stream,
    stream_options: _streamOptions,
    store: _store,
    metadata: _metadata,
    messages,
    tools,
    tool_choice: toolChoice,
    parallel_tool_calls: parallelToolCalls,
    max_completion_tokens: maxCompletionTokens,
    max_tokens: maxTokens,
    temperature,
    top_p: topP,
    top_k: topK,
    frequency_penalty: frequencyPenalty,
    presence_penalty: presencePenalty,
    stop,
    seed,
    response_format: responseFormat,
    reasoning_effort: effort,
    logprobs,
    top_logprobs: topLogprobs,
    user,
    ...others
  } = body as ChatBody
  refuseUntranslatable(others)
  const maxOutputTokens = maxCompletionTokens ?? maxTokens
  const choice = decodeToolChoice(toolChoice)
  const format = decodeResponseFormat(responseFormat)
  return {
    model,
    ...decodeMessages(messages),
    tools: (tools ?? []).map(decodeTool),
    stop: typeof stop === 'string' ? [stop] : (stop ?? []),
    ...(choice !== undefined && { toolChoice: choice }),
    ...(format !== undefined && { responseFormat: format }),
    ...(!isAbsent(parallelToolCalls) && { parallelToolCalls }),
    ...(!isAbsent(maxOutputTokens) && { maxOutputTokens }),
    ...(!isAbsent(temperature) && { temperature }),
    ...(!isAbsent(topP) && { topP }),
    ...(typeof topK === 'number' && { topK }),
    ...(!isAbsent(frequencyPenalty) && { frequencyPenalty }),
    ...(!isAbsent(presencePenalty) && { presencePenalty }),
    ...(!isAbsent(seed) && { seed }),
    ...(!isAbsent(effort) && { reasoning: { effort } }),
    ...(logprobs === true && { logprobs: { top: topLogprobs ?? 0 } }),
    ...(!isAbsent(user) && { user }),
    extensions: Object.keys(others).length === 0 ? {} : { 'openai-chat': others },
  }
}

function refuseUntranslatable(body: Record<string, unknown>): void {
  if (typeof body.n === 'number' && body.n > 1)
    refuse('n', 'This model gives one choice at a time: leave out `n`.')
  if (Array.isArray(body.modalities) && body.modalities.some((modality) => modality !== 'text')) {
    refuse('modalities', 'This model answers with text only.')
  }
  for (const name of ['functions', 'function_call']) {
    if (!isAbsent(body[name])) refuse(name, `This model knows no '${name}': use 'tools' and 'tool_choice'.`)
  }
}

function decodeTool(tool: ChatTool, index: number): Tool {
  if (tool.type !== 'function') {
    refuse(`tools[${index}].type`, `This model takes tools of type 'function' only, not '${tool.type}'.`)
  }
  const { name, description, parameters, strict } = tool.function
  const cache = readCacheMarker(tool)
  return {
    name,
    parameters: parameters ?? { type: 'object', properties: {} },
    ...(typeof description === 'string' && { description }),
    ...(typeof strict === 'boolean' && { strict }),
    ...(cache !== undefined && { cache }),
  }
}

function decodeToolChoice(choice: ChatBody['tool_choice']): ToolChoice | undefined {
  if (isAbsent(choice)) return undefined
  if (typeof choice === 'string') return choice === 'any' ? 'required' : choice
  if (choice.type === 'function') return { name: choice.function.name }
  refuse('tool_choice.type', `This model knows no tool choice of type '${choice.type}'.`)
}

function decodeResponseFormat(format: ChatBody['response_format']): ResponseFormat | undefined {
  if (isAbsent(format) || format.type === 'text') return undefined
  if (format.type === 'json_object') return { type: 'json' }
  if (format.type !== 'json_schema') {
    refuse('response_format.type', `This model knows no response format '${format.type}'.`)
  }
  const { name, schema, strict } = format.json_schema
  return { type: 'json-schema', name, schema: schema ?? {}, ...(typeof strict === 'boolean' && { strict }) }
}

import {
  isJsonObject,
  type CanonicalRequest,
  type ResponseFormat,
  type Tool,
  type ToolChoice,
} from '#libs/core'
import { isAbsent, refuse } from '../../request/checks.ts'
import { decodeMessages, decodeTexts, readCacheMarker } from './decode-messages.ts'
import type { MessagesBody, WireTool } from './messages-body.ts'
import { readRequest } from './read-request.ts'

/**
 * The whole request in canonical words. What no canonical field holds travels in `extensions`; what the answer would
 * silently lack (a tool that runs at the provider, citations) is refused, naming the field.
 */
export function decodeRequest(body: unknown, model: string): CanonicalRequest {
  readRequest(body)
  // readRequest has looked at each field that MessagesBody names.
  const {
    model: _model,
    stream: _stream,
    max_tokens: maxOutputTokens,
    messages,
    system,
    tools,
    tool_choice: toolChoice,
    stop_sequences: stop,
    temperature,
    top_p: topP,
    top_k: topK,
    metadata,
    thinking,
    output_config: outputConfig,
    ...others
  } = body as MessagesBody
  for (const name of ['mcp_servers', 'container']) {
    if (!isAbsent(others[name])) refuse(name, `${name}: this model has none. Leave it out.`)
  }
  const conversation = decodeMessages(messages)
  const choice = decodeToolChoice(toolChoice)
  const format = decodeFormat(outputConfig?.format ?? others.output_format)
  const reasoning = decodeReasoning(thinking, outputConfig?.effort)
  return {
    model,
    system: [...decodeTexts(system ?? '', 'system'), ...conversation.system],
    messages: conversation.messages,
    tools: (tools ?? []).map(decodeTool),
    stop: stop ?? [],
    maxOutputTokens,
    ...(choice !== undefined && { toolChoice: choice }),
    ...(toolChoice?.disable_parallel_tool_use === true && { parallelToolCalls: false }),
    ...(!isAbsent(temperature) && { temperature }),
    ...(!isAbsent(topP) && { topP }),
    ...(!isAbsent(topK) && { topK }),
    ...(format !== undefined && { responseFormat: format }),
    ...(reasoning !== undefined && { reasoning }),
    ...(typeof metadata?.user_id === 'string' && { user: metadata.user_id }),
    extensions: { 'anthropic-messages': { ...others, ...(thinking && { thinking }) } },
  }
}

/** `adaptive` without an effort leaves it to the model, as does saying nothing. */
function decodeReasoning(
  thinking: MessagesBody['thinking'],
  effort: unknown,
): CanonicalRequest['reasoning'] | undefined {
  const budgetTokens = thinking?.type === 'enabled' ? thinking.budget_tokens : undefined
  if (typeof budgetTokens !== 'number' && typeof effort !== 'string') return undefined
  return {
    ...(typeof effort === 'string' && { effort }),
    ...(typeof budgetTokens === 'number' && { budgetTokens }),
  }
}

function decodeTool(tool: WireTool, index: number): Tool {
  if (!isAbsent(tool.type) && tool.type !== 'custom') {
    const type = String(tool.type)
    refuse(`tools[${index}].type`, `tools[${index}]: this model has no tool of type '${type.slice(0, 64)}'.`)
  }
  const { name, description, input_schema: parameters, strict } = tool
  const cache = readCacheMarker(tool)
  return {
    name,
    parameters,
    ...(typeof description === 'string' && { description }),
    ...(typeof strict === 'boolean' && { strict }),
    ...(cache !== undefined && { cache }),
  }
}

function decodeToolChoice(choice: MessagesBody['tool_choice']): ToolChoice | undefined {
  switch (choice?.type) {
    case undefined:
      return undefined
    case 'tool':
      return { name: choice.name }
    case 'any':
      return 'required'
    case 'auto':
    case 'none':
      return choice.type
    default: {
      const { type } = choice as { type: string }
      refuse('tool_choice.type', `tool_choice: this model knows no choice of type '${type.slice(0, 64)}'.`)
    }
  }
}

function decodeFormat(format: unknown): ResponseFormat | undefined {
  if (isAbsent(format)) return undefined
  if (!isJsonObject(format) || format.type !== 'json_schema' || !isJsonObject(format.schema)) {
    refuse(
      'output_config.format',
      "output_config.format: this model takes a format of type 'json_schema' only.",
    )
  }
  return { type: 'json-schema', name: 'answer', schema: format.schema, strict: true }
}

import type { AssistantContent, Content, Message, ResponseFormat, Tool, ToolChoice } from '#libs/core'
import { GatewayError } from '#libs/core'
import type { PlanRequest } from '#libs/providers'

/** What the simulator reads of an OpenAI chat body. It is written apart from the gateway's own decoder, to be a check on it. */
export interface ChatRequest {
  model: string
  stream: boolean
  includeUsage: boolean
  plan: PlanRequest
}

type Fields = Record<string, unknown>

/** Throws `invalid_json` or `invalid_request`, as strictly as OpenAI where a gateway could get it wrong. */
export function parseChatRequest(text: string): ChatRequest {
  const body = parseObject(text)
  const { model, messages, stream, stream_options: streamOptions } = body
  if (typeof model !== 'string') throw invalid('model', 'must be a string')
  if (!Array.isArray(messages) || messages.length === 0) throw invalid('messages', 'must be a filled array')
  if (body.n !== undefined && body.n !== 1) throw invalid('n', 'must be 1: the simulator gives one choice')
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') {
    throw invalid('stream', 'must be a boolean')
  }
  if (isObject(streamOptions) && stream !== true) {
    throw invalid('stream_options', 'is only allowed when stream is true')
  }
  return {
    model,
    stream: stream === true,
    includeUsage: isObject(streamOptions) && streamOptions.include_usage === true,
    plan: toPlanRequest(body, messages),
  }
}

export function parseObject(text: string): Fields {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch (cause) {
    throw new GatewayError('invalid_json', 'The body is not valid JSON.', { cause })
  }
  if (!isObject(body)) throw new GatewayError('invalid_request', 'The body must be a JSON object.')
  return body
}

function toPlanRequest(body: Fields, messages: unknown[]): PlanRequest {
  const decoded = messages.map((message, index) => decodeMessage(message, index))
  const maxOutputTokens = readMaxTokens(body)
  const toolChoice = decodeToolChoice(body.tool_choice)
  const responseFormat = decodeResponseFormat(body.response_format)
  return {
    system: decoded.flatMap((message) => (message.role === 'system' ? [message.content] : [])),
    messages: decoded.filter((message) => message.role !== 'system'),
    tools: decodeTools(body.tools),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    ...(toolChoice !== undefined && { toolChoice }),
    ...(responseFormat !== undefined && { responseFormat }),
  }
}

type Decoded = Message | { role: 'system'; content: { type: 'text'; text: string } }

function decodeMessage(message: unknown, index: number): Decoded {
  if (!isObject(message)) throw invalid(`messages[${index}]`, 'must be an object')
  const { role } = message
  const content = decodeContent(message.content)
  switch (role) {
    case 'system':
    case 'developer':
      return { role: 'system', content: { type: 'text', text: content.map(textOf).join('') } }
    case 'user':
      return { role, content }
    case 'assistant':
      return { role, content: [...content.filter(isText), ...decodeToolCalls(message.tool_calls)] }
    case 'tool':
      return { role, toolCallId: String(message.tool_call_id), content }
    default:
      throw invalid(`messages[${index}].role`, 'must be developer, system, user, assistant or tool')
  }
}

function decodeContent(content: unknown): Content[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }]
  if (!Array.isArray(content)) return []
  return content.map((part: unknown) =>
    isObject(part) && typeof part.text === 'string'
      ? { type: 'text', text: part.text }
      : { type: 'image', source: { url: '' } },
  )
}

function decodeToolCalls(toolCalls: unknown): AssistantContent[] {
  if (!Array.isArray(toolCalls)) return []
  return toolCalls.filter(isObject).map((call) => {
    const called = isObject(call.function) ? call.function : {}
    return {
      type: 'tool-call',
      id: String(call.id),
      name: String(called.name),
      arguments: String(called.arguments),
    }
  })
}

function decodeTools(tools: unknown): Tool[] {
  if (tools === undefined || tools === null) return []
  if (!Array.isArray(tools)) throw invalid('tools', 'must be an array')
  return tools.map((tool: unknown, index) => {
    const described = isObject(tool) ? tool.function : undefined
    if (!isObject(described) || typeof described.name !== 'string') {
      throw invalid(`tools[${index}].function.name`, 'must be a string')
    }
    return { name: described.name, parameters: isObject(described.parameters) ? described.parameters : {} }
  })
}

function decodeToolChoice(choice: unknown): ToolChoice | undefined {
  if (choice === undefined || choice === null) return undefined
  if (choice === 'auto' || choice === 'none' || choice === 'required') return choice
  if (isObject(choice) && isObject(choice.function) && typeof choice.function.name === 'string') {
    return { name: choice.function.name }
  }
  throw invalid('tool_choice', 'must be auto, none, required or name a function')
}

function decodeResponseFormat(format: unknown): ResponseFormat | undefined {
  if (!isObject(format) || format.type === 'text') return undefined
  if (format.type === 'json_object') return { type: 'json' }
  const described = format.json_schema
  if (format.type === 'json_schema' && isObject(described) && isObject(described.schema)) {
    return { type: 'json-schema', name: String(described.name), schema: described.schema }
  }
  throw invalid('response_format', 'must be text, json_object, or json_schema with a schema')
}

function readMaxTokens(body: Fields): number | undefined {
  const name = body.max_completion_tokens === undefined ? 'max_tokens' : 'max_completion_tokens'
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (Number.isSafeInteger(value) && Number(value) >= 1) return Number(value)
  throw invalid(name, 'must be a whole number of at least 1')
}

function isText(content: Content): content is Content & { type: 'text' } {
  return content.type === 'text'
}

function textOf(content: Content): string {
  return content.type === 'text' ? content.text : ''
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function invalid(param: string, problem: string): GatewayError {
  return new GatewayError('invalid_request', `'${param}' ${problem}.`, { param })
}

import type { JsonObject } from '../support/http.ts'
import type { Block, Sent } from './words.ts'

type Turn = Sent['turns'][number]

/** Turns of one side that follow each other are one, since some dialects write each result by itself. */
function join(turns: readonly Turn[]): Turn[] {
  const joined: Turn[] = []
  for (const { role, blocks } of turns) {
    const last = joined.at(-1)
    if (last?.role === role) last.blocks.push(...blocks)
    else joined.push({ role, blocks: [...blocks] })
  }
  return joined
}

function signed<B extends Block>(block: B, signature: unknown): B {
  return typeof signature === 'string' ? { ...block, signature } : block
}

export function readChat(body: JsonObject): Sent {
  const all = body.messages as JsonObject[]
  const messages = all.filter(({ role }) => role !== 'system')
  return {
    system: all.flatMap(({ role, content }) => (role === 'system' ? [String(content)] : [])).join(),
    turns: join(messages.map(readChatMessage)),
    tools: ((body.tools ?? []) as JsonObject[]).map((tool) => String(tool.function.name)),
    maxTokens: body.max_completion_tokens ?? body.max_tokens,
    schema: body.response_format?.json_schema?.schema,
    thinks: body.reasoning_effort === 'low',
  }
}

function readChatMessage(message: JsonObject): Turn {
  if (message.role === 'tool') {
    return {
      role: 'user',
      blocks: [{ result: { id: String(message.tool_call_id), text: String(message.content) } }],
    }
  }
  const blocks: Block[] = []
  if (typeof message.reasoning_content === 'string') blocks.push({ thinking: message.reasoning_content })
  if (typeof message.content === 'string' && message.content !== '') blocks.push({ text: message.content })
  for (const part of (Array.isArray(message.content) ? message.content : []) as JsonObject[]) {
    if (part.type === 'text') blocks.push({ text: String(part.text) })
    const [, mediaType, data] = /^data:(.*);base64,(.*)$/.exec(String(part.image_url?.url)) ?? []
    if (mediaType !== undefined && data !== undefined) blocks.push({ image: { mediaType, data } })
  }
  for (const call of (message.tool_calls ?? []) as JsonObject[]) {
    const { name, arguments: json } = call.function as { name: string; arguments: string }
    blocks.push(
      signed(
        { call: { id: String(call.id), name, input: JSON.parse(json) } },
        call.extra_content?.google?.thought_signature,
      ),
    )
  }
  return { role: message.role as Turn['role'], blocks }
}

export function readAnthropic(body: JsonObject): Sent {
  return {
    system: textsOf(body.system),
    turns: join(
      (body.messages as JsonObject[]).map(({ role, content }) => ({
        role: role as Turn['role'],
        blocks: toBlocks(content).flatMap(readAnthropicBlock),
      })),
    ),
    tools: ((body.tools ?? []) as JsonObject[]).map((tool) => String(tool.name)),
    maxTokens: body.max_tokens,
    schema: body.output_config?.format?.schema,
    thinks: body.thinking?.type === 'adaptive' && body.output_config?.effort === 'low',
  }
}

function readAnthropicBlock(block: JsonObject): Block[] {
  switch (block.type) {
    case 'text':
      return [{ text: String(block.text) }]
    case 'image':
      return [{ image: { mediaType: block.source.media_type, data: block.source.data } }]
    case 'tool_use':
      return [{ call: { id: block.id, name: block.name, input: block.input } }]
    case 'tool_result':
      return [{ result: { id: block.tool_use_id, text: textsOf(block.content) } }]
    case 'thinking':
      return [signed({ thinking: String(block.thinking) }, block.signature)]
    default:
      return []
  }
}

export function readGemini(body: JsonObject): Sent {
  const config = (body.generationConfig ?? {}) as JsonObject
  const tools = (body.tools ?? []) as JsonObject[]
  return {
    system: textsOf(body.systemInstruction?.parts),
    turns: join(
      (body.contents as JsonObject[]).map(({ role, parts }) => ({
        role: role === 'model' ? 'assistant' : 'user',
        blocks: (parts as JsonObject[]).flatMap(readGeminiPart),
      })),
    ),
    tools: tools.flatMap((tool) =>
      (tool.functionDeclarations as JsonObject[]).map(({ name }) => String(name)),
    ),
    maxTokens: config.maxOutputTokens,
    schema: config.responseJsonSchema,
    thinks: config.thinkingConfig?.includeThoughts === true,
  }
}

function readGeminiPart(part: JsonObject): Block[] {
  const signature: unknown = part.thoughtSignature
  if (part.inlineData !== undefined) {
    return [{ image: { mediaType: part.inlineData.mimeType, data: part.inlineData.data } }]
  }
  if (part.functionCall !== undefined) {
    const { id = '', name, args } = part.functionCall as JsonObject
    return [signed({ call: { id, name, input: args } }, signature)]
  }
  if (part.functionResponse !== undefined) {
    const { id = '', response } = part.functionResponse as JsonObject
    return [{ result: { id, text: String(response.output) } }]
  }
  if (part.thought === true || (part.text === '' && signature !== undefined)) {
    return [signed({ thinking: String(part.text) }, signature)]
  }
  return [{ text: String(part.text) }]
}

export function readBedrock(body: JsonObject): Sent {
  const fields = (body.additionalModelRequestFields ?? {}) as JsonObject
  const tools = (body.toolConfig?.tools ?? []) as JsonObject[]
  const format = body.outputConfig?.textFormat?.structure?.jsonSchema?.schema as string | undefined
  return {
    system: textsOf(body.system),
    turns: join(
      (body.messages as JsonObject[]).map(({ role, content }) => ({
        role: role as Turn['role'],
        blocks: (content as JsonObject[]).flatMap(readBedrockBlock),
      })),
    ),
    tools: tools.map((tool) => String(tool.toolSpec.name)),
    maxTokens: body.inferenceConfig?.maxTokens,
    schema: format === undefined ? undefined : JSON.parse(format),
    thinks: fields.output_config?.effort === 'low',
  }
}

function readBedrockBlock(block: JsonObject): Block[] {
  if (block.text !== undefined) return [{ text: String(block.text) }]
  if (block.image !== undefined) {
    return [{ image: { mediaType: `image/${block.image.format}`, data: block.image.source.bytes } }]
  }
  if (block.toolUse !== undefined) {
    const { toolUseId: id, name, input } = block.toolUse as JsonObject
    return [{ call: { id, name, input } }]
  }
  if (block.toolResult !== undefined) {
    return [{ result: { id: block.toolResult.toolUseId, text: textsOf(block.toolResult.content) } }]
  }
  const thinking = block.reasoningContent?.reasoningText as JsonObject | undefined
  return thinking === undefined ? [] : [signed({ thinking: String(thinking.text) }, thinking.signature)]
}

function toBlocks(content: unknown): JsonObject[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : (content as JsonObject[])
}

function textsOf(content: unknown): string {
  return content === undefined
    ? ''
    : toBlocks(content)
        .map(({ text }) => String(text))
        .join('')
}

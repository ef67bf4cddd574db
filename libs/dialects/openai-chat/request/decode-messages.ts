import {
  isJsonObject,
  type AssistantContent,
  type CacheMarker,
  type Content,
  type Message,
  type TextContent,
} from '#libs/core'
import type { ChatMessage, ChatPart, ChatToolCall } from './chat-body.ts'
import { refuse } from '../../request/checks.ts'
import { decodeMedia } from '../../request/media.ts'

/**
 * The conversation in canonical words: system and developer messages in `system`, wherever they stood. Refuses a
 * part that has no canonical form, since a model that doesn't see it would answer something else.
 */
export function decodeMessages(messages: readonly ChatMessage[]): {
  system: TextContent[]
  messages: Message[]
} {
  const system: TextContent[] = []
  const conversation: Message[] = []
  for (const [index, message] of messages.entries()) {
    const param = `messages[${index}]`
    switch (message.role) {
      case 'system':
      case 'developer':
        system.push(
          ...toParts(message.content).map((part, at) => decodeText(part, `${param}.content[${at}]`)),
        )
        break
      case 'user':
        conversation.push({ role: 'user', content: decodeContent(message.content, param) })
        break
      case 'assistant':
        conversation.push({ role: 'assistant', content: decodeAssistant(message, param) })
        break
      case 'tool':
        conversation.push({
          role: 'tool',
          toolCallId: message.tool_call_id,
          ...(typeof message.name === 'string' && { name: message.name }),
          content: decodeContent(message.content, param),
        })
        break
      case 'function':
        refuse(`${param}.role`, "This model knows no role 'function': use 'tool'.")
    }
  }
  return { system, messages: conversation }
}

export function readCacheMarker(holder: {
  cache_control?: unknown
  prompt_cache_breakpoint?: unknown
}): CacheMarker | undefined {
  if (isJsonObject(holder.cache_control)) {
    const { ttl } = holder.cache_control
    return typeof ttl === 'string' ? { ttl } : {}
  }
  return isJsonObject(holder.prompt_cache_breakpoint) ? {} : undefined
}

function decodeAssistant(
  message: Extract<ChatMessage, { role: 'assistant' }>,
  param: string,
): AssistantContent[] {
  const content = decodeReasoning(message)
  for (const [index, part] of toParts(message.content ?? '').entries()) {
    if (part.type === 'refusal') content.push({ type: 'refusal', text: part.refusal })
    else content.push(decodeText(part, `${param}.content[${index}]`))
  }
  if (typeof message.refusal === 'string') content.push({ type: 'refusal', text: message.refusal })
  for (const [index, call] of (message.tool_calls ?? []).entries()) {
    content.push(decodeToolCall(call, `${param}.tool_calls[${index}]`))
  }
  return content
}

/** Signed reasoning comes in `reasoning_details`, which then holds the text too, unless the signature is of no text. */
function decodeReasoning(message: Extract<ChatMessage, { role: 'assistant' }>): AssistantContent[] {
  const content: AssistantContent[] = []
  const details: unknown[] = Array.isArray(message.reasoning_details) ? message.reasoning_details : []
  for (const detail of details) {
    if (!isJsonObject(detail)) continue
    const { text, signature, data } = detail
    if (detail.type === 'reasoning.text' && typeof text === 'string') {
      content.push({ type: 'reasoning', text, ...(typeof signature === 'string' && { signature }) })
    } else if (detail.type === 'reasoning.encrypted' && typeof data === 'string') {
      content.push({ type: 'reasoning', text: '', redacted: data })
    }
  }
  const { reasoning_content: text } = message
  const isTold = content.some((each) => each.type === 'reasoning' && each.text !== '')
  if (isTold || typeof text !== 'string' || text === '') return content
  return [{ type: 'reasoning', text }, ...content]
}

function decodeToolCall(call: ChatToolCall, param: string): AssistantContent {
  if (call.type === 'custom') refuse(`${param}.type`, "This model takes tool calls of type 'function' only.")
  const extra = isJsonObject(call.extra_content) ? call.extra_content.google : undefined
  const signature = isJsonObject(extra) ? extra.thought_signature : undefined
  return {
    type: 'tool-call',
    id: call.id,
    name: call.function.name,
    arguments: call.function.arguments,
    ...(typeof signature === 'string' && { signature }),
  }
}

function decodeText(part: ChatPart, param: string): TextContent {
  if (part.type !== 'text')
    refuse(`${param}.type`, `Expected a part of type 'text' here, not '${part.type}'.`)
  const cache = readCacheMarker(part)
  return { type: 'text', text: part.text, ...(cache !== undefined && { cache }) }
}

function decodeContent(content: string | ChatPart[], param: string): Content[] {
  return toParts(content).map((part, index) => {
    const cache = readCacheMarker(part)
    return { ...decodePart(part, `${param}.content[${index}]`), ...(cache !== undefined && { cache }) }
  })
}

function decodePart(part: ChatPart, param: string): Content {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text }
    case 'image_url': {
      const detail = typeof part.image_url === 'string' ? undefined : part.image_url.detail
      const media = decodeMedia(part.image_url, `${param}.image_url`)
      return { type: 'image', ...media, ...(typeof detail === 'string' && { detail }) }
    }
    case 'audio_url':
      return { type: 'audio', ...decodeMedia(part.audio_url, `${param}.audio_url`) }
    case 'video_url':
      return { type: 'video', ...decodeMedia(part.video_url, `${param}.video_url`) }
    case 'input_audio': {
      const { data, format } = part.input_audio
      return {
        type: 'audio',
        source: { data },
        mediaType: format === 'mp3' ? 'audio/mpeg' : `audio/${format}`,
      }
    }
    case 'file':
      return decodeFile(part.file, `${param}.file`)
    case 'refusal':
    default:
      refuse(`${param}.type`, `This model takes no parts of type '${part.type}'.`)
  }
}

function decodeFile(file: Extract<ChatPart, { type: 'file' }>['file'], param: string): Content {
  const filename = typeof file.filename === 'string' ? { filename: file.filename } : {}
  if (typeof file.file_id === 'string') return { type: 'file', source: { fileId: file.file_id }, ...filename }
  if (typeof file.file_data !== 'string') refuse(param, "Expected 'file_id' or 'file_data' in a file part.")
  const media = file.file_data.startsWith('data:')
    ? decodeMedia(file.file_data, `${param}.file_data`)
    : { source: { data: file.file_data } }
  return { type: 'file', ...media, ...filename }
}

function toParts(content: string | ChatPart[]): ChatPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return content
}

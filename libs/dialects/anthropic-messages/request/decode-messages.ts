import {
  isJsonObject,
  type AssistantContent,
  type CacheMarker,
  type Content,
  type MediaSource,
  type Message,
  type TextContent,
} from '#libs/core'
import { refuse } from '../../request/checks.ts'
import type { Block, DocumentBlock, Source, ToolResultBlock, WireMessage } from './messages-body.ts'

/**
 * The conversation in canonical words: each tool result a message of its own, system messages in `system`. Refuses a
 * block that has no canonical form, since a model that doesn't see it would answer something else.
 */
export function decodeMessages(messages: readonly WireMessage[]): {
  system: TextContent[]
  messages: Message[]
} {
  const system: TextContent[] = []
  const conversation: Message[] = []
  for (const [index, { role, content }] of messages.entries()) {
    const param = `messages[${index}].content`
    if (role === 'system') system.push(...decodeTexts(content, param))
    else if (role === 'assistant') {
      const said = toBlocks(content).map((block, at) => decodeAssistant(block, `${param}[${at}]`))
      conversation.push({ role: 'assistant', content: said })
    } else conversation.push(...decodeUser(toBlocks(content), param))
  }
  return { system, messages: conversation }
}

/** System prompts and the like, which are text alone. */
export function decodeTexts(content: string | Block[], param: string): TextContent[] {
  return toBlocks(content).map((block, at) => decodeText(block, `${param}[${at}]`))
}

export function readCacheMarker({
  cache_control: control,
}: {
  cache_control?: unknown
}): CacheMarker | undefined {
  if (!isJsonObject(control)) return undefined
  return typeof control.ttl === 'string' ? { ttl: control.ttl } : {}
}

function decodeUser(blocks: readonly Block[], param: string): Message[] {
  const messages: Message[] = []
  let content: Content[] = []
  const flush = (): void => {
    if (content.length > 0) messages.push({ role: 'user', content })
    content = []
  }
  for (const [index, block] of blocks.entries()) {
    const at = `${param}[${index}]`
    if (block.type === 'tool_result') {
      flush()
      messages.push(decodeToolResult(block, at))
    } else content.push(...decodeContent(block, at))
  }
  flush()
  return messages
}

function decodeToolResult(block: ToolResultBlock, param: string): Message {
  const content = toBlocks(block.content ?? '').flatMap((inner, at) =>
    decodeContent(inner, `${param}.content[${at}]`),
  )
  const last = content.at(-1)
  // A canonical tool result has no marker of its own; behind its last content the prefix ends at the same place.
  const cache = readCacheMarker(block)
  if (last !== undefined && cache !== undefined) last.cache ??= cache
  return {
    role: 'tool',
    toolCallId: block.tool_use_id,
    content,
    ...(block.is_error === true && { isError: true }),
  }
}

function decodeContent(block: Block, param: string): Content[] {
  switch (block.type) {
    case 'text':
      return [decodeText(block, param)]
    case 'image':
      return [{ type: 'image', ...decodeSource(block.source, `${param}.source`), ...withCache(block) }]
    case 'document':
      return decodeDocument(block, param)
    case 'tool_use':
    case 'tool_result':
    case 'thinking':
    case 'redacted_thinking':
    default:
      refuse(`${param}.type`, `${param}: this model takes no blocks of type '${block.type}' here.`)
  }
}

function decodeDocument(block: DocumentBlock, param: string): Content[] {
  if (isJsonObject(block.citations) && block.citations.enabled === true) {
    refuse(`${param}.citations`, `${param}.citations: this model gives no citations. Leave them out.`)
  }
  const context: Content[] =
    typeof block.context === 'string' && block.context !== '' ? [{ type: 'text', text: block.context }] : []
  const filename = typeof block.title === 'string' ? { filename: block.title } : {}
  return [
    ...context,
    { type: 'file', ...decodeSource(block.source, `${param}.source`), ...filename, ...withCache(block) },
  ]
}

function decodeSource(source: Source, param: string): { source: MediaSource; mediaType?: string } {
  switch (source.type) {
    case 'base64':
      return { source: { data: source.data }, mediaType: source.media_type.toLowerCase() }
    case 'text':
      return { source: { data: Buffer.from(source.data).toString('base64') }, mediaType: 'text/plain' }
    case 'url':
      return { source: { url: source.url } }
    case 'file':
      return { source: { fileId: source.file_id } }
    default: {
      const { type } = source as { type: string }
      refuse(`${param}.type`, `${param}: this model takes no source of type '${type}'.`)
    }
  }
}

function decodeAssistant(block: Block, param: string): AssistantContent {
  switch (block.type) {
    case 'text':
      return decodeText(block, param)
    case 'thinking': {
      const { thinking: text, signature } = block
      const isSigned = typeof signature === 'string' && signature !== ''
      return { type: 'reasoning', text, ...(isSigned && { signature }) }
    }
    case 'redacted_thinking':
      return { type: 'reasoning', text: '', redacted: block.data }
    case 'tool_use':
      return {
        type: 'tool-call',
        id: block.id,
        name: block.name,
        arguments: JSON.stringify(block.input ?? {}),
        ...(typeof block.signature === 'string' && { signature: block.signature }),
        ...withCache(block),
      }
    case 'image':
    case 'document':
    case 'tool_result':
    default:
      refuse(
        `${param}.type`,
        `${param}: this model takes no blocks of type '${block.type}' from an assistant.`,
      )
  }
}

function decodeText(block: Block, param: string): TextContent {
  if (block.type !== 'text') {
    refuse(`${param}.type`, `${param}: expected a block of type 'text', not '${block.type}'.`)
  }
  return { type: 'text', text: block.text, ...withCache(block) }
}

function withCache(block: { cache_control?: unknown }): { cache?: CacheMarker } {
  const cache = readCacheMarker(block)
  return cache === undefined ? {} : { cache }
}

function toBlocks(content: string | Block[]): Block[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return content
}

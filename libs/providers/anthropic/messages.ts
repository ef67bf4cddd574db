import {
  GatewayError,
  isJsonObject,
  type AssistantContent,
  type CacheMarker,
  type Content,
  type MediaSource,
  type Message,
} from '#libs/core'

type Block = Record<string, unknown>

interface Turn {
  role: 'user' | 'assistant'
  content: Block[]
}

/**
 * The conversation in turns: messages of one side that follow each other are one turn, since all results of a turn's
 * tool calls must be in the next. Empty texts, which Anthropic refuses, are left out.
 */
export function toTurns(messages: readonly Message[]): Turn[] {
  const turns: Turn[] = []
  for (const message of messages) {
    const role = message.role === 'assistant' ? 'assistant' : 'user'
    const content = toBlocks(message)
    const last = turns.at(-1)
    if (last?.role === role) last.content.push(...content)
    else if (content.length > 0) turns.push({ role, content })
  }
  return turns
}

export function toCacheControl(cache: CacheMarker | undefined): Block {
  return cache === undefined ? {} : { cache_control: { type: 'ephemeral', ...cache } }
}

function toBlocks(message: Message): Block[] {
  switch (message.role) {
    case 'user':
      return message.content.filter(isSaid).map(toBlock)
    case 'assistant':
      return message.content.filter(isSaid).flatMap(toAssistantBlocks)
    case 'tool':
      return [
        {
          type: 'tool_result',
          tool_use_id: toToolId(message.toolCallId),
          content: message.content.filter(isSaid).map(toBlock),
          ...(message.isError === true && { is_error: true }),
        },
      ]
  }
}

function isSaid(content: Content | AssistantContent): boolean {
  return content.type !== 'text' || content.text !== ''
}

function toBlock(content: Content): Block {
  switch (content.type) {
    case 'text':
      return { type: 'text', text: content.text, ...toCacheControl(content.cache) }
    case 'image': {
      const source = toSource(content.source, content.mediaType ?? 'image/jpeg')
      return { type: 'image', source, ...toCacheControl(content.cache) }
    }
    case 'file':
      return toDocument(content)
    case 'audio':
    case 'video':
      throw cannotTake(`${content.type} in a message`)
  }
}

function toDocument({ source, mediaType, filename, cache }: Extract<Content, { type: 'file' }>): Block {
  const rest = { ...(filename !== undefined && { title: filename }), ...toCacheControl(cache) }
  if ('data' in source && mediaType?.startsWith('text/') === true) {
    const text = Buffer.from(source.data, 'base64').toString()
    return { type: 'document', source: { type: 'text', media_type: 'text/plain', data: text }, ...rest }
  }
  if ('data' in source && mediaType !== undefined && mediaType !== 'application/pdf') {
    throw cannotTake(`a file of type ${mediaType}: it takes PDF and plain text`)
  }
  return { type: 'document', source: toSource(source, 'application/pdf'), ...rest }
}

function toSource(source: MediaSource, mediaType: string): Block {
  if ('url' in source) return { type: 'url', url: source.url }
  if ('fileId' in source) return { type: 'file', file_id: source.fileId }
  return { type: 'base64', media_type: mediaType, data: source.data }
}

function toAssistantBlocks(content: AssistantContent): Block[] {
  switch (content.type) {
    case 'text':
      return [{ type: 'text', text: content.text, ...toCacheControl(content.cache) }]
    case 'refusal':
      return content.text === '' ? [] : [{ type: 'text', text: content.text }]
    case 'reasoning': {
      const { text, signature, redacted } = content
      if (redacted !== undefined) return [{ type: 'redacted_thinking', data: redacted }]
      // Thoughts without Anthropic's signature are another model's, and refused.
      return signature === undefined ? [] : [{ type: 'thinking', thinking: text, signature }]
    }
    case 'tool-call':
      return [
        {
          type: 'tool_use',
          id: toToolId(content.id),
          name: content.name,
          input: readArguments(content),
          ...toCacheControl(content.cache),
        },
      ]
  }
}

/** Other vendors' ids may hold what Anthropic's may not; a call and its result are changed alike. */
function toToolId(id: string): string {
  return id.replaceAll(/[^\w-]/g, '_')
}

function readArguments({ id, arguments: json }: Extract<AssistantContent, { type: 'tool-call' }>): unknown {
  if (json.trim() === '') return {}
  try {
    const input: unknown = JSON.parse(json)
    if (isJsonObject(input)) return input
  } catch (cause) {
    throw cannotTake(`the arguments of tool call ${id}, which are no JSON`, cause)
  }
  throw cannotTake(`the arguments of tool call ${id}, which are no JSON object`)
}

function cannotTake(what: string, cause?: unknown): GatewayError {
  const message = `The model that answers this request can't take ${what}.`
  return new GatewayError('invalid_request', message, { param: 'messages', cause })
}

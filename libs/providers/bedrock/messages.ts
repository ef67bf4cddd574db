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

const imageFormats = new Set(['png', 'jpeg', 'gif', 'webp'])
const videoFormats = new Set(['mkv', 'mov', 'mp4', 'webm', 'flv', 'mpeg', 'mpg', 'wmv'])
const documentFormats: ReadonlyMap<string, string> = new Map([
  ['application/pdf', 'pdf'],
  ['text/csv', 'csv'],
  ['application/msword', 'doc'],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
  ['application/vnd.ms-excel', 'xls'],
  ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx'],
  ['text/html', 'html'],
  ['text/plain', 'txt'],
  ['text/markdown', 'md'],
])

/**
 * The conversation in turns: messages of one side that follow each other are one turn, since all results of a turn's
 * tool calls must be in the next. Empty texts, which Converse refuses, are left out.
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

/** The block that follows what shall be kept. */
export function toCachePoint(cache: CacheMarker | undefined): Block[] {
  return cache === undefined ? [] : [{ cachePoint: { type: 'default', ...cache } }]
}

function toBlocks(message: Message): Block[] {
  switch (message.role) {
    case 'user':
      return message.content.filter(isSaid).flatMap(withCachePoint)
    case 'assistant':
      return message.content.filter(isSaid).flatMap(toAssistantBlocks)
    case 'tool':
      return [
        {
          toolResult: {
            toolUseId: toToolId(message.toolCallId),
            content: message.content.filter(isSaid).map(toBlock),
            ...(message.isError === true && { status: 'error' }),
          },
        },
        ...message.content.flatMap(({ cache }) => toCachePoint(cache)).slice(-1),
      ]
  }
}

function isSaid(content: Content | AssistantContent): boolean {
  return content.type !== 'text' || content.text !== ''
}

function withCachePoint(content: Content): Block[] {
  return [toBlock(content), ...toCachePoint(content.cache)]
}

function toBlock(content: Content): Block {
  switch (content.type) {
    case 'text':
      return { text: content.text }
    case 'image': {
      const format = (content.mediaType ?? 'image/jpeg').replace(/^image\/(?:jpg$)?/, '') || 'jpeg'
      if (!imageFormats.has(format)) throw cannotTake(`an image of type ${content.mediaType}`)
      return { image: { format, source: toSource(content.source) } }
    }
    case 'video': {
      const format = (content.mediaType ?? 'video/mp4').replace(/^video\/(?:quicktime$)?/, '') || 'mov'
      if (!videoFormats.has(format)) throw cannotTake(`a video of type ${content.mediaType}`)
      return { video: { format, source: toSource(content.source) } }
    }
    case 'file':
      return toDocument(content)
    case 'audio':
      throw cannotTake('audio in a message')
  }
}

function toDocument({
  source,
  mediaType = 'application/pdf',
  filename,
}: Extract<Content, { type: 'file' }>): Block {
  const format = documentFormats.get(mediaType)
  if (format === undefined) throw cannotTake(`a file of type ${mediaType}`)
  // What it lets a name hold; a model reads it, and no ending is wanted.
  const name = (filename ?? '')
    .replace(/\.\w+$/, '')
    .replaceAll(/[^\w\s()[\]-]|_/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return { document: { format, name: name || 'document', source: toSource(source) } }
}

function toSource(source: MediaSource): Block {
  if ('data' in source) return { bytes: source.data }
  if ('url' in source && source.url.startsWith('s3://')) return { s3Location: { uri: source.url } }
  throw cannotTake('media by an address other than s3://: send the data itself')
}

function toAssistantBlocks(content: AssistantContent): Block[] {
  switch (content.type) {
    case 'text':
      return [{ text: content.text }, ...toCachePoint(content.cache)]
    case 'refusal':
      return content.text === '' ? [] : [{ text: content.text }]
    case 'reasoning': {
      const { text, signature, redacted } = content
      if (redacted !== undefined) return [{ reasoningContent: { redactedContent: redacted } }]
      // Thoughts without a signature are another model's, and refused.
      return signature === undefined ? [] : [{ reasoningContent: { reasoningText: { text, signature } } }]
    }
    case 'tool-call':
      return [
        { toolUse: { toolUseId: toToolId(content.id), name: content.name, input: readArguments(content) } },
        ...toCachePoint(content.cache),
      ]
  }
}

/** Other vendors' ids may hold what Converse's may not; a call and its result are changed alike. */
function toToolId(id: string): string {
  return id.replaceAll(/[^\w-]/g, '_').slice(0, 64)
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

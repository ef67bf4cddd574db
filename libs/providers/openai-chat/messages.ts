import {
  GatewayError,
  type AssistantContent,
  type CanonicalRequest,
  type Content,
  type MediaSource,
  type Message,
} from '#libs/core'
import type { ChatFlavour } from './request.ts'

type JsonObject = Record<string, unknown>

/**
 * The conversation as chat messages. A tool's result is text alone there, so its images come in a message of the user's
 * behind the results. Cache markers are left out: these servers keep prefixes by themselves.
 */
export function toChatMessages(
  { system, messages }: Pick<CanonicalRequest, 'system' | 'messages'>,
  flavour: ChatFlavour,
): JsonObject[] {
  const wire: JsonObject[] = []
  if (system.length > 0) wire.push({ role: 'system', content: system.map(({ text }) => text).join('\n\n') })
  let shown: Content[] = []
  const show = (): void => {
    if (shown.length > 0) wire.push({ role: 'user', content: toWireContent(shown) })
    shown = []
  }
  for (const message of messages) {
    if (message.role === 'tool') {
      wire.push({
        role: 'tool',
        tool_call_id: message.toolCallId,
        content: textsOf(message.content).join('\n'),
      })
      shown.push(...message.content.filter(({ type }) => type !== 'text'))
      continue
    }
    show()
    wire.push(
      message.role === 'user'
        ? { role: 'user', content: toWireContent(message.content) }
        : toAssistantMessage(message, flavour),
    )
  }
  show()
  return wire
}

/** One text is a string, which servers take that know no parts. */
function toWireContent(content: readonly Content[]): string | JsonObject[] {
  const [first] = content
  if (content.length === 1 && first?.type === 'text') return first.text
  return content.map(toPart)
}

function toPart(content: Content): JsonObject {
  switch (content.type) {
    case 'text':
      return { type: 'text', text: content.text }
    case 'image': {
      const url = toUrl(content.source, content.mediaType ?? 'image/jpeg', 'an image')
      return {
        type: 'image_url',
        image_url: { url, ...(content.detail !== undefined && { detail: content.detail }) },
      }
    }
    case 'video':
      return {
        type: 'video_url',
        video_url: { url: toUrl(content.source, content.mediaType ?? 'video/mp4', 'a video') },
      }
    case 'audio': {
      const { source, mediaType } = content
      if (!('data' in source)) throw cannotTake('audio by reference')
      const format = mediaType === 'audio/mpeg' ? 'mp3' : (mediaType?.replace(/^audio\/(?:x-)?/, '') ?? 'wav')
      return { type: 'input_audio', input_audio: { data: source.data, format } }
    }
    case 'file':
      return toFilePart(content)
  }
}

function toFilePart({ source, mediaType, filename }: Extract<Content, { type: 'file' }>): JsonObject {
  if ('fileId' in source) return { type: 'file', file: { file_id: source.fileId } }
  if ('url' in source) throw cannotTake('a file by its address')
  if (mediaType?.startsWith('text/') === true) {
    return { type: 'text', text: Buffer.from(source.data, 'base64').toString() }
  }
  const data = toUrl(source, mediaType ?? 'application/pdf', 'a file')
  return { type: 'file', file: { file_data: data, filename: filename ?? 'file' } }
}

function toUrl(source: MediaSource, mediaType: string, what: string): string {
  if ('url' in source) return source.url
  if ('data' in source) return `data:${mediaType};base64,${source.data}`
  throw cannotTake(`${what} by a file's id`)
}

function toAssistantMessage(
  { content }: Extract<Message, { role: 'assistant' }>,
  flavour: ChatFlavour,
): JsonObject {
  const text = textsOf(content).join('')
  const calls = content.filter((each) => each.type === 'tool-call')
  const refusal = content.find((each) => each.type === 'refusal')
  const thoughts = content.map((each) => (each.type === 'reasoning' ? each.text : '')).join('')
  return {
    role: 'assistant',
    content: text === '' && (calls.length > 0 || refusal !== undefined) ? null : text,
    ...(refusal !== undefined && { refusal: refusal.text }),
    ...(thoughts !== '' && flavour === 'compatible' && { reasoning_content: thoughts }),
    ...(calls.length > 0 && { tool_calls: calls.map((call) => toWireCall(call, flavour)) }),
  }
}

function toWireCall(
  { id, name, arguments: json, signature }: Extract<AssistantContent, { type: 'tool-call' }>,
  flavour: ChatFlavour,
): JsonObject {
  const isSigned = signature !== undefined && flavour === 'compatible'
  return {
    id,
    type: 'function',
    function: { name, arguments: json === '' ? '{}' : json },
    ...(isSigned && { extra_content: { google: { thought_signature: signature } } }),
  }
}

function textsOf(content: readonly (Content | AssistantContent)[]): string[] {
  return content.flatMap((each) => (each.type === 'text' ? [each.text] : []))
}

function cannotTake(what: string): GatewayError {
  const message = `The model that answers this request can't take ${what}.`
  return new GatewayError('invalid_request', message, { param: 'messages' })
}

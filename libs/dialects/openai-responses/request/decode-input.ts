import { isJsonObject, type AssistantContent, type Content, type Message, type TextContent } from '#libs/core'
import { refuse } from '../../request/checks.ts'
import { decodeMedia } from '../../request/media.ts'
import { openSeal } from '../reasoning-seal.ts'
import type { InputItem, InputPart } from './responses-body.ts'

type Item<Type extends string> = Extract<InputItem, { type: Type }>
type InputMessage = Extract<InputItem, { role: unknown }>
interface Conversation {
  system: TextContent[]
  messages: Message[]
}

/**
 * The input in canonical words: system and developer messages in `system`, wherever they stood, and the items that
 * the model has said one after the other as one turn. Refuses what has no canonical form, since a model that
 * doesn't see it would answer something else.
 */
export function decodeInput(input: string | readonly InputItem[]): Conversation {
  const conversation: Conversation = { system: [], messages: [] }
  if (typeof input === 'string') {
    return { ...conversation, messages: [{ role: 'user', content: [{ type: 'text', text: input }] }] }
  }
  for (const [index, item] of input.entries()) addItem(conversation, item, `input[${index}]`)
  return conversation
}

function addItem(conversation: Conversation, item: InputItem, param: string): void {
  switch (item.type) {
    case undefined:
    case 'message':
      return addMessage(conversation, item, param)
    case 'reasoning':
      turn(conversation).push(...decodeReasoning(item))
      return
    case 'function_call': {
      const extra = isJsonObject(item.extra_content) ? item.extra_content.google : undefined
      const signature = isJsonObject(extra) ? extra.thought_signature : undefined
      turn(conversation).push({
        type: 'tool-call',
        id: item.call_id,
        name: item.name,
        arguments: item.arguments,
        ...(typeof signature === 'string' && { signature }),
      })
      return
    }
    case 'function_call_output': {
      const content = decodeContent(item.output, `${param}.output`)
      conversation.messages.push({ role: 'tool', toolCallId: item.call_id, content })
      return
    }
    case 'item_reference':
      refuse(param, 'This model knows no references to items: send the item itself.')
      break
    default:
      refuse(`${param}.type`, `This model takes no input items of type '${(item as { type: string }).type}'.`)
  }
}

function addMessage(conversation: Conversation, { role, content }: InputMessage, param: string): void {
  const at = `${param}.content`
  switch (role) {
    case 'system':
    case 'developer':
      conversation.system.push(...toParts(content).map((part, index) => decodeText(part, `${at}[${index}]`)))
      return
    case 'user':
      conversation.messages.push({ role, content: decodeContent(content, at) })
      return
    case 'assistant':
      turn(conversation).push(
        ...toParts(content).map((part, index) =>
          part.type === 'refusal'
            ? { type: part.type, text: part.refusal }
            : decodeText(part, `${at}[${index}]`),
        ),
      )
  }
}

/** The turn that the model is in, begun if somebody else spoke last. */
function turn({ messages }: Conversation): AssistantContent[] {
  const last = messages.at(-1)
  if (last?.role === 'assistant') return last.content
  const content: AssistantContent[] = []
  messages.push({ role: 'assistant', content })
  return content
}

function decodeReasoning({ summary, content, encrypted_content }: Item<'reasoning'>): AssistantContent[] {
  const said = readTexts(content)
  const text = (said.length > 0 ? said : readTexts(summary)).join('\n\n')
  const seal = openSeal(encrypted_content)
  return text === '' && seal.redacted === undefined && seal.signature === undefined
    ? []
    : [{ type: 'reasoning', text, ...seal }]
}

function readTexts(parts: unknown): string[] {
  if (!Array.isArray(parts)) return []
  return parts.flatMap((part: unknown) =>
    isJsonObject(part) && typeof part.text === 'string' && part.text !== '' ? [part.text] : [],
  )
}

function decodeText(part: InputPart, param: string): TextContent {
  if (part.type === 'input_text' || part.type === 'output_text') return { type: 'text', text: part.text }
  refuse(`${param}.type`, `Expected a text here, not a part of type '${part.type}'.`)
}

function decodeContent(content: string | InputPart[], param: string): Content[] {
  return toParts(content).map((part, index) => decodePart(part, `${param}[${index}]`))
}

function decodePart(part: InputPart, param: string): Content {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return { type: 'text', text: part.text }
    case 'input_image': {
      const media =
        typeof part.image_url === 'string'
          ? decodeMedia(part.image_url, `${param}.image_url`)
          : { source: { fileId: part.file_id ?? '' } }
      return { type: 'image', ...media, ...(typeof part.detail === 'string' && { detail: part.detail }) }
    }
    case 'input_audio': {
      const { data, format } = part.input_audio
      const mediaType = format === 'mp3' ? 'audio/mpeg' : `audio/${format}`
      return { type: 'audio', source: { data }, mediaType }
    }
    case 'input_file':
      return decodeFile(part, param)
    case 'refusal':
    default:
      refuse(`${param}.type`, `This model takes no parts of type '${part.type}' here.`)
  }
}

function decodeFile(part: Extract<InputPart, { type: 'input_file' }>, param: string): Content {
  const { file_url: url, file_id: id, file_data: data, filename } = part
  const name = typeof filename === 'string' ? { filename } : {}
  if (typeof id === 'string') return { type: 'file', source: { fileId: id }, ...name }
  if (typeof url === 'string') return { type: 'file', source: { url }, ...name }
  if (typeof data !== 'string') refuse(param, "Expected 'file_id', 'file_url' or 'file_data' in a file part.")
  const media = data.startsWith('data:') ? decodeMedia(data, `${param}.file_data`) : { source: { data } }
  return { type: 'file', ...media, ...name }
}

function toParts(content: string | InputPart[]): InputPart[] {
  if (typeof content !== 'string') return content
  return content === '' ? [] : [{ type: 'input_text', text: content }]
}

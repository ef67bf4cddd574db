import type { AssistantContent, Content, Message, TextContent } from '#libs/core'
import { refuse } from '../../request/checks.ts'
import type { GeminiContent, GeminiPart } from './gemini-body.ts'

type FunctionResponse = NonNullable<GeminiPart['functionResponse']>
type OpenCalls = ReturnType<typeof createOpenCalls>
type ToolCall = Extract<AssistantContent, { type: 'tool-call' }>

/**
 * The conversation in canonical words. Gemini's calls may do without ids, where others need one: a call without
 * gets one by its place, which is the same in every turn, and a response belongs to the call with its id, or
 * else to the first open one of its function.
 */
export function decodeContents(contents: readonly GeminiContent[]): Message[] {
  const messages: Message[] = []
  const calls = createOpenCalls()
  for (const [index, { role, parts }] of contents.entries()) {
    const param = `contents[${index}].parts`
    if (role === 'model') {
      // Google's client keeps each chunk of a stream as a content of its own: together they are one turn.
      const last = messages.at(-1)
      const content = last?.role === 'assistant' ? last.content : []
      addModelParts(content, parts ?? [], param, calls)
      if (last?.role !== 'assistant' && content.length > 0) messages.push({ role: 'assistant', content })
      continue
    }
    const content: Content[] = []
    for (const [at, part] of (parts ?? []).entries()) {
      if (part.functionResponse) {
        messages.push(decodeResponse(part.functionResponse, calls, `${param}[${at}].functionResponse`))
      } else content.push(decodePart(part, `${param}[${at}]`))
    }
    if (content.length > 0) messages.push({ role: 'user', content })
  }
  return messages
}

export function decodeSystem(instruction: GeminiContent | null | undefined): TextContent[] {
  return (instruction?.parts ?? []).map((part, index) => {
    const content = decodePart(part, `systemInstruction.parts[${index}]`)
    if (content.type === 'text') return content
    refuse(`systemInstruction.parts[${index}]`, 'A system instruction consists of text.')
  })
}

function createOpenCalls() {
  const open: ToolCall[] = []
  let count = 0
  return {
    add(call: NonNullable<GeminiPart['functionCall']>, signature: string | undefined): ToolCall {
      const added: ToolCall = {
        type: 'tool-call',
        id: call.id || `call_${count}`,
        name: call.name,
        arguments: JSON.stringify(call.args ?? {}),
        ...(signature !== undefined && { signature }),
      }
      count++
      open.push(added)
      return added
    },
    answer({ id, name }: FunctionResponse, param: string): string {
      const call = open.find((each) => each.id === id) ?? open.find((each) => each.name === name)
      if (call !== undefined) {
        open.splice(open.indexOf(call), 1)
        return call.id
      }
      refuse(param, `It answers a call of ${JSON.stringify(name)} that no content before it holds.`)
    },
  }
}

function addModelParts(
  content: AssistantContent[],
  parts: readonly GeminiPart[],
  param: string,
  calls: OpenCalls,
): void {
  for (const [index, part] of parts.entries()) {
    const signature = part.thoughtSignature ?? undefined
    if (part.functionCall) content.push(calls.add(part.functionCall, signature))
    else if (part.thought === true) addReasoning(content, part)
    else if (typeof part.text === 'string') {
      addText(content, part.text)
      // Text has no signature in canonical words: it stands behind it, as reasoning that nobody may read.
      if (signature !== undefined) content.push({ type: 'reasoning', text: '', signature })
    } else refuseKind(part, `${param}[${index}]`)
  }
}

/** A client that keeps the chunks of a stream sends one thought in many parts, its signature in the last. */
function addReasoning(content: AssistantContent[], part: GeminiPart): void {
  const signature = part.thoughtSignature ?? undefined
  const redacted = part.partMetadata?.redacted
  if (typeof redacted === 'string') {
    content.push({ type: 'reasoning', text: '', redacted })
    return
  }
  const last = content.at(-1)
  const text = part.text ?? ''
  if (last?.type === 'reasoning' && last.signature === undefined && last.redacted === undefined) {
    last.text += text
    if (signature !== undefined) last.signature = signature
  } else content.push({ type: 'reasoning', text, ...(signature !== undefined && { signature }) })
}

function addText(content: AssistantContent[], text: string): void {
  const last = content.at(-1)
  if (last?.type === 'text') last.text += text
  else if (text !== '') content.push({ type: 'text', text })
}

function decodeResponse(response: FunctionResponse, calls: OpenCalls, param: string): Message {
  const { text, isError } = readResult(response.response ?? {})
  const content: Content[] = [{ type: 'text', text }]
  for (const [index, part] of (response.parts ?? []).entries()) {
    content.push(decodePart(part, `${param}.parts[${index}]`))
  }
  return {
    role: 'tool',
    toolCallId: calls.answer(response, param),
    name: response.name,
    content,
    ...(isError && { isError }),
  }
}

/**
 * By Google's convention a function that failed says so in `error`, and one that did not in `output`, or in the whole
 * of it.
 */
function readResult(result: Record<string, unknown>): { text: string; isError: boolean } {
  const [name, ...others] = Object.keys(result)
  const isError = name === 'error' && others.length === 0
  const told = name === 'output' && others.length === 0 ? result.output : isError ? result.error : result
  return { text: typeof told === 'string' ? told : JSON.stringify(told), isError }
}

function decodePart(part: Partial<GeminiPart>, param: string): Content {
  if (typeof part.text === 'string') return { type: 'text', text: part.text }
  if (part.inlineData) {
    const { data, mimeType } = part.inlineData
    return { type: kindOf(mimeType), source: { data }, mediaType: mimeType }
  }
  if (part.fileData) {
    const { fileUri, mimeType } = part.fileData
    const source = { url: fileUri }
    return mimeType ? { type: kindOf(mimeType), source, mediaType: mimeType } : { type: 'file', source }
  }
  refuseKind(part, param)
}

function kindOf(mimeType: string): Exclude<Content['type'], 'text'> {
  const [kind] = mimeType.toLowerCase().split('/')
  return kind === 'image' || kind === 'audio' || kind === 'video' ? kind : 'file'
}

function refuseKind(part: object, param: string): never {
  const kinds = Object.keys(part).filter((key) => !key.startsWith('thought'))
  refuse(param, `This model takes no parts with ${kinds.join(', ') || 'nothing in them'}.`)
}

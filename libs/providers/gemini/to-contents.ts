import { GatewayError, isJsonObject, type AssistantContent, type Content, type Message } from '#libs/core'

type JsonObject = Record<string, unknown>
type ToolMessage = Extract<Message, { role: 'tool' }>

/**
 * Google's own stand-in for a signature that was lost: from Gemini 3 on a call without one is refused, and clients
 * of other dialects drop what they don't know. https://ai.google.dev/gemini-api/docs/thought-signatures
 */
const noSignature = 'skip_thought_signature_validator'

/** The conversation as `contents`. The results of one turn's calls are one content, as Gemini wants them. */
export function toContents(messages: readonly Message[], needsSignatures: boolean): JsonObject[] {
  const contents: { role: string; parts: JsonObject[] }[] = []
  const names = new Map<string, string>()
  let results: JsonObject[] | undefined
  for (const [index, message] of messages.entries()) {
    const param = `messages[${index}]`
    if (message.role === 'tool') {
      if (results === undefined) contents.push({ role: 'user', parts: (results = []) })
      results.push(toFunctionResponse(message, names, param))
      continue
    }
    results = undefined
    if (message.role === 'user') {
      contents.push({ role: 'user', parts: message.content.map((content) => toPart(content, param)) })
      continue
    }
    for (const content of message.content) {
      if (content.type === 'tool-call') names.set(content.id, content.name)
    }
    contents.push({ role: 'model', parts: toModelParts(message.content, needsSignatures, param) })
  }
  return contents.filter(({ parts }) => parts.length > 0)
}

/** Only the first call of a turn bears a signature, so the stand-in goes to the first call if none has one. */
function toModelParts(
  content: readonly AssistantContent[],
  needsSignatures: boolean,
  param: string,
): JsonObject[] {
  let isSigned = content.some((each) => each.type === 'tool-call' && each.signature !== undefined)
  return content.flatMap((each): JsonObject[] => {
    switch (each.type) {
      case 'text':
      case 'refusal':
        return each.text === '' ? [] : [{ text: each.text }]
      case 'reasoning': {
        const signature = each.signature === undefined ? {} : { thoughtSignature: each.signature }
        if (each.text !== '') return [{ text: each.text, thought: true, ...signature }]
        return each.signature === undefined ? [] : [{ text: '', ...signature }]
      }
      case 'tool-call': {
        const signature = each.signature ?? (needsSignatures && !isSigned ? noSignature : undefined)
        isSigned = true
        return [
          {
            functionCall: { id: each.id, name: each.name, args: parseArguments(each, param) },
            ...(signature !== undefined && { thoughtSignature: signature }),
          },
        ]
      }
    }
  })
}

function parseArguments(call: { name: string; arguments: string }, param: string): JsonObject {
  if (call.arguments.trim() === '') return {}
  const value = parseObject(call.arguments)
  if (value !== undefined) return value
  throw refusal(param, `The arguments of the call of ${call.name} are not a JSON object.`)
}

/** A result that is a JSON object goes as it is; text goes to `output`, or to `error` when the tool failed. */
function toFunctionResponse(
  { toolCallId, name, content, isError }: ToolMessage,
  names: ReadonlyMap<string, string>,
  param: string,
): JsonObject {
  const called = names.get(toolCallId) ?? name
  if (called === undefined) {
    throw refusal(param, `The result ${JSON.stringify(toolCallId)} answers no tool call before it.`)
  }
  const text = content.map((each) => (each.type === 'text' ? each.text : '')).join('')
  const media = content.filter((each) => each.type !== 'text')
  const result = parseObject(text)
  return {
    functionResponse: {
      id: toolCallId,
      name: called,
      response: result ?? (isError === true ? { error: text } : { output: text }),
      ...(media.length > 0 && { parts: media.map((each) => toPart(each, param)) }),
    },
  }
}

function toPart(content: Content, param: string): JsonObject {
  if (content.type === 'text') return { text: content.text }
  const { source, mediaType = content.type === 'file' ? 'application/pdf' : undefined } = content
  if ('data' in source) {
    if (mediaType !== undefined) return { inlineData: { mimeType: mediaType, data: source.data } }
    throw refusal(param, `Gemini needs the media type of the ${content.type}: send it as a data: URL.`)
  }
  const fileUri = 'url' in source ? source.url : source.fileId
  return { fileData: { fileUri, ...(content.mediaType !== undefined && { mimeType: content.mediaType }) } }
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function refusal(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, { param })
}

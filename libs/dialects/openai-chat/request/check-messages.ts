import {
  checkArray,
  checkContent,
  checkName,
  checkObject,
  checkRole,
  checkText,
  isAbsent,
  refuse,
  refuseType,
} from '../../request/checks.ts'
import { checkMedia } from '../../request/media.ts'

type JsonObject = Record<string, unknown>

const maxMessages = 10_000
const roles = ['system', 'developer', 'user', 'assistant', 'tool', 'function']

/** Parts that hold a URL, and what a `data:` URL may hold in them. Web addresses are the provider's to fetch, not ours. */
const mediaParts: Readonly<Record<string, string>> = {
  image_url: 'image',
  audio_url: 'audio',
  video_url: 'video',
}

/** Refuses messages that can't be meant. Parts of a kind we don't know pass: the provider may know them. */
export function checkMessages(messages: unknown): void {
  if (isAbsent(messages)) refuse('messages', "Missing required parameter: 'messages'.")
  checkArray(messages, 'messages')
  if (messages.length === 0) {
    refuse('messages', "Invalid 'messages': empty array. Expected an array with minimum length 1.")
  }
  if (messages.length > maxMessages) {
    refuse('messages', `Invalid 'messages': expected at most ${maxMessages}, got ${messages.length}.`)
  }
  for (const [index, message] of messages.entries()) checkMessage(message, `messages[${index}]`)
}

function checkMessage(message: unknown, param: string): void {
  checkObject(message, param)
  const { role, content } = message
  checkRole(role, roles, param)
  // An assistant's turn may consist of tool calls, and a function may have nothing to say.
  if (!(isAbsent(content) && (role === 'assistant' || role === 'function'))) {
    checkContent(content, `${param}.content`, checkPart)
  }
  if (role === 'assistant') checkToolCalls(message.tool_calls, `${param}.tool_calls`)
  if (role === 'tool') checkText(message, 'tool_call_id', param)
  if (role === 'function') checkName(message.name, `${param}.name`)
}

function checkPart(part: JsonObject, type: string, param: string): void {
  if (type === 'text' || type === 'refusal') checkText(part, type, param)
  else if (Object.hasOwn(mediaParts, type)) checkMedia(part[type], `${param}.${type}`, mediaParts[type] ?? '')
  else if (type === 'input_audio') {
    checkObject(part.input_audio, `${param}.input_audio`)
    checkText(part.input_audio, 'data', `${param}.input_audio`)
    checkText(part.input_audio, 'format', `${param}.input_audio`)
  } else if (type === 'file') checkObject(part.file, `${param}.file`)
}

function checkToolCalls(calls: unknown, param: string): void {
  if (isAbsent(calls)) return
  checkArray(calls, param)
  for (const [index, call] of calls.entries()) {
    const at = `${param}[${index}]`
    checkObject(call, at)
    checkText(call, 'id', at)
    // Some clients leave `type` out, since for years there was but one.
    const type = call.type ?? 'function'
    if (type === 'function') {
      checkObject(call.function, `${at}.function`)
      checkName(call.function.name, `${at}.function.name`)
      checkText(call.function, 'arguments', `${at}.function`)
    } else if (typeof type !== 'string') refuseType(`${at}.type`, 'a string', type)
  }
}

import {
  checkArray,
  checkContent,
  checkName,
  checkObject,
  checkRole,
  isAbsent,
  refuse,
  refuseType,
} from '../../request/checks.ts'

type JsonObject = Record<string, unknown>

const maxMessages = 10_000
/** A system message between the others is of the version 2026-10-21. */
const roles = ['user', 'assistant', 'system']

/** The texts that a block of this type can't do without. Blocks of other types pass: the provider may know them. */
const requiredTexts: Readonly<Record<string, readonly string[]>> = {
  text: ['text'],
  thinking: ['thinking'],
  redacted_thinking: ['data'],
  tool_use: ['id'],
  tool_result: ['tool_use_id'],
}

const sourceTexts: Readonly<Record<string, readonly string[]>> = {
  base64: ['media_type', 'data'],
  text: ['data'],
  url: ['url'],
  file: ['file_id'],
}

/** Refuses messages that can't be meant. */
export function checkMessages(messages: unknown): void {
  if (isAbsent(messages)) refuse('messages', 'messages: Field required')
  checkArray(messages, 'messages')
  if (messages.length === 0) refuse('messages', 'messages: at least one message is required')
  if (messages.length > maxMessages) {
    refuse('messages', `messages: at most ${maxMessages} are taken, got ${messages.length}.`)
  }
  for (const [index, message] of messages.entries()) {
    const param = `messages[${index}]`
    checkObject(message, param)
    checkRole(message.role, roles, param)
    checkContent(message.content, `${param}.content`, checkBlock)
  }
}

export function checkSystem(system: unknown): void {
  if (!isAbsent(system)) checkContent(system, 'system', checkBlock)
}

function checkBlock(block: JsonObject, type: string, param: string): void {
  checkTexts(block, Object.hasOwn(requiredTexts, type) ? requiredTexts[type] : undefined, param)
  if (type === 'image' || type === 'document') checkSource(block.source, `${param}.source`)
  else if (type === 'tool_use') checkName(block.name, `${param}.name`)
  else if (type === 'tool_result' && !isAbsent(block.content)) {
    checkContent(block.content, `${param}.content`, checkBlock)
  }
}

/** Web addresses are the provider's to fetch, not ours. */
function checkSource(source: unknown, param: string): void {
  checkObject(source, param)
  const { type } = source
  if (typeof type !== 'string') refuseType(`${param}.type`, 'a string', type)
  checkTexts(source, Object.hasOwn(sourceTexts, type) ? sourceTexts[type] : undefined, param)
  if (type === 'url' && !/^https?:\/\//i.test(String(source.url))) {
    refuse(`${param}.url`, `${param}.url: expected an address that starts with https:// or http://.`)
  }
}

function checkTexts(object: JsonObject, names: readonly string[] | undefined, param: string): void {
  for (const name of names ?? []) {
    if (typeof object[name] !== 'string') refuseType(`${param}.${name}`, 'a string', object[name])
  }
}

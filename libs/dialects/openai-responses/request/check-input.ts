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

const maxItems = 10_000
const roles = ['system', 'developer', 'user', 'assistant']

/** Refuses input that can't be meant. Items and parts of a kind we don't know pass: the provider may know them. */
export function checkInput(input: unknown): void {
  if (typeof input === 'string' || isAbsent(input)) return
  if (!Array.isArray(input)) refuseType('input', 'a string or an array of items', input)
  if (input.length > maxItems) {
    refuse('input', `Invalid 'input': expected at most ${maxItems} items, got ${input.length}.`)
  }
  for (const [index, item] of input.entries()) checkItem(item, `input[${index}]`)
}

function checkItem(item: unknown, param: string): void {
  checkObject(item, param)
  // A message may come without its type, as chat clients write it.
  const type = item.type ?? 'message'
  switch (type) {
    case 'message':
      return checkMessage(item, param)
    case 'function_call':
      checkText(item, 'call_id', param)
      checkName(item.name, `${param}.name`)
      return checkText(item, 'arguments', param)
    case 'function_call_output':
      checkText(item, 'call_id', param)
      return checkContent(item.output, `${param}.output`, checkPart)
    case 'item_reference':
      return checkText(item, 'id', param)
    default:
      if (typeof type !== 'string') refuseType(`${param}.type`, 'a string', type)
  }
}

function checkMessage(item: JsonObject, param: string): void {
  checkRole(item.role, roles, param)
  checkContent(item.content, `${param}.content`, checkPart)
}

function checkPart(part: JsonObject, type: string, param: string): void {
  if (type === 'input_text' || type === 'output_text') checkText(part, 'text', param)
  else if (type === 'refusal') checkText(part, 'refusal', param)
  else if (type === 'input_image') {
    if (isAbsent(part.image_url)) checkText(part, 'file_id', param)
    else {
      checkText(part, 'image_url', param)
      checkMedia(part.image_url, `${param}.image_url`, 'image')
    }
  } else if (type === 'input_audio') {
    checkObject(part.input_audio, `${param}.input_audio`)
    checkText(part.input_audio, 'data', `${param}.input_audio`)
    checkText(part.input_audio, 'format', `${param}.input_audio`)
  }
}

/** Refuses tools without a name and a choice of a function that isn't there. Hosted tools pass: the provider has them. */
export function checkTools(body: JsonObject): void {
  const names = new Set<string>()
  const tools = body.tools ?? []
  checkArray(tools, 'tools')
  for (const [index, tool] of tools.entries()) {
    const param = `tools[${index}]`
    checkObject(tool, param)
    if (typeof tool.type !== 'string') refuseType(`${param}.type`, 'a string', tool.type)
    if (tool.type !== 'function') continue
    checkName(tool.name, `${param}.name`)
    names.add(tool.name)
  }
  const choice = body.tool_choice
  if (isAbsent(choice)) return
  if (typeof choice === 'string') {
    if (['none', 'auto', 'required'].includes(choice)) return
    refuse(
      'tool_choice',
      `Invalid value: '${choice.slice(0, 64)}'. Supported values are: 'none', 'auto', 'required'.`,
    )
  }
  checkObject(choice, 'tool_choice')
  if (typeof choice.type !== 'string') refuseType('tool_choice.type', 'a string', choice.type)
  if (choice.type !== 'function') return
  checkName(choice.name, 'tool_choice.name')
  if (!names.has(choice.name)) {
    refuse('tool_choice', `Tool choice '${choice.name}' not found in 'tools' parameter.`)
  }
}

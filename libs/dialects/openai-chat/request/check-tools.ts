import { isJsonObject } from '#libs/core'
import {
  checkArray,
  checkName,
  checkObject,
  checkSchema,
  isAbsent,
  refuse,
  refuseType,
} from '../../request/checks.ts'

type JsonObject = Record<string, unknown>

/** `any` is Mistral's word for `required`. */
const choices = ['none', 'auto', 'required', 'any']

/** Refuses tools without a name and a choice of a tool that isn't there. Kinds of tools that we don't know pass. */
export function checkTools(body: JsonObject): void {
  const names = new Set<string>()
  const tools = body.tools ?? []
  checkArray(tools, 'tools')
  for (const [index, tool] of tools.entries()) checkTool(tool, `tools[${index}]`, names)
  checkToolChoice(body.tool_choice, names)
}

function checkTool(tool: unknown, param: string, names: Set<string>): void {
  checkObject(tool, param)
  const { type } = tool
  if (typeof type !== 'string') refuseType(`${param}.type`, 'a string', type)
  if (type !== 'function' && type !== 'custom') return
  const definition = tool[type]
  checkObject(definition, `${param}.${type}`)
  checkName(definition.name, `${param}.${type}.name`)
  if (type === 'function') checkSchema(definition.parameters, `${param}.function.parameters`)
  names.add(definition.name)
}

function checkToolChoice(choice: unknown, names: ReadonlySet<string>): void {
  if (isAbsent(choice)) return
  if (typeof choice === 'string') {
    if (choices.includes(choice)) return
    const allowed = choices.map((name) => `'${name}'`).join(', ')
    refuse('tool_choice', `Invalid value: '${choice.slice(0, 64)}'. Supported values are: ${allowed}.`)
  }
  if (!isJsonObject(choice)) refuseType('tool_choice', 'a string or an object', choice)
  const { type } = choice
  if (typeof type !== 'string') refuseType('tool_choice.type', 'a string', type)
  if (type !== 'function' && type !== 'custom') return
  const param = `tool_choice.${type}`
  const definition = choice[type]
  checkObject(definition, param)
  checkName(definition.name, `${param}.name`)
  if (!names.has(definition.name)) {
    refuse('tool_choice', `Tool choice '${definition.name}' not found in 'tools' parameter.`)
  }
}

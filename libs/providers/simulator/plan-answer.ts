import { hash } from 'node:crypto'
import type { CanonicalRequest, Content, AssistantContent, Message, Tool } from '#libs/core'
import { exampleValue } from './example-value.ts'
import { loremWords } from './lorem.ts'
import type { SimulatorSettings } from './model-name.ts'

/** What of a request decides the answer. */
export type PlanRequest = Pick<
  CanonicalRequest,
  'system' | 'messages' | 'tools' | 'toolChoice' | 'responseFormat' | 'maxOutputTokens'
>

/** A whole answer, known before its first token is sent: the same prompt always gives the same one. */
export interface AnswerPlan {
  /** One piece a token. Joined they are the text or, with a `toolCall`, its arguments. */
  words: string[]
  toolCall?: { id: string; name: string }
  finish: 'stop' | 'length' | 'tool_calls'
  inputTokens: number
  outputTokens: number
  /** Of the input; 0 if nobody says. */
  cachedTokens?: number
  /** 32 hex digits of the SHA-256 of everything that was said so far. */
  promptHash: string
}

/** In a prompt. */
export const charactersPerToken = 4

/** Decides what to say: a tool call where tools wait to be called, JSON where it is asked for, otherwise lorem ipsum. */
export function planAnswer(request: PlanRequest, settings: Pick<SimulatorSettings, 'tokens'>): AnswerPlan {
  const prompt = promptText(request)
  const promptHash = hash('sha256', prompt, 'hex').slice(0, 32)
  const tool = toolToCall(request)
  const whole = tool === undefined ? answerWords(request, settings, promptHash) : argumentWords(tool)
  const words = whole.slice(0, request.maxOutputTokens ?? whole.length)
  return {
    words,
    ...(tool !== undefined && { toolCall: { id: `call_${promptHash.slice(0, 24)}`, name: tool.name } }),
    finish: words.length < whole.length ? 'length' : tool === undefined ? 'stop' : 'tool_calls',
    inputTokens: Math.ceil(prompt.length / charactersPerToken),
    outputTokens: words.length,
    promptHash,
  }
}

/** A tool's result is the end of a tool's turn: without this an agent's loop would never end. */
function toolToCall({ tools, toolChoice, messages }: PlanRequest): Tool | undefined {
  if (toolChoice === 'none' || messages.at(-1)?.role === 'tool') return undefined
  if (typeof toolChoice === 'object') return tools.find((tool) => tool.name === toolChoice.name)
  return tools[0]
}

function argumentWords(tool: Tool): string[] {
  return jsonWords(exampleValue({ type: 'object', ...tool.parameters }))
}

function answerWords(
  { responseFormat }: PlanRequest,
  { tokens }: Pick<SimulatorSettings, 'tokens'>,
  promptHash: string,
): string[] {
  const seed = Number.parseInt(promptHash.slice(0, 8), 16)
  if (responseFormat === undefined) return loremWords(tokens, seed)
  if (responseFormat.type === 'json-schema') return jsonWords(exampleValue(responseFormat.schema))
  return jsonWords({ answer: loremWords(tokens, seed).join('') })
}

function jsonWords(value: unknown): string[] {
  return JSON.stringify(value).match(/.{1,4}/gsu) ?? []
}

function promptText(request: PlanRequest): string {
  return promptPieces(request).join('\n')
}

/** What was said so far, message by message. */
export function promptPieces({ system, messages }: PlanRequest): string[] {
  return [...system.map(({ text }) => `system: ${text}`), ...messages.map(messageText)]
}

function messageText(message: Message): string {
  let text = `${message.role}: `
  for (const content of message.content) text += contentText(content)
  return text
}

function contentText(content: Content | AssistantContent): string {
  if ('text' in content) return content.text
  if (content.type === 'tool-call') return `${content.name}(${content.arguments})`
  return `[${content.type}]`
}

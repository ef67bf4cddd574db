import { isJsonObject, type FinishReason, type Part, type Usage } from '#libs/core'
import type { FrameContext, FrameEncoder } from '../dialect.ts'
import { toWireFinishReason, toWireUsage } from './words.ts'

type JsonObject = Record<string, unknown>
type Finish = Extract<Part, { type: 'finish' }>

interface Call {
  name: string
  id: string
  signature?: string
  arguments: string
}

/**
 * Tells parts as generateContent chunks. A function's call is told whole, as Gemini does it; reasoning are parts with
 * `thought`, its signature a part of its own, and what else it hides goes to `partMetadata`. Every chunk has a part,
 * since Google's client takes a conversation with an empty chunk for a failed one.
 */
export function createEncoder(context: FrameContext): FrameEncoder {
  const calls = new Map<number, Call>()
  const citations: JsonObject[] = []
  let text = ''
  let modelVersion = context.model
  let finish: FinishReason | undefined
  let usage: Usage | undefined

  function toPart(part: Exclude<Part, Finish>): JsonObject | undefined {
    switch (part.type) {
      case 'start':
        modelVersion = part.model ?? modelVersion
        break
      case 'text-delta':
      case 'refusal-delta':
        text += part.text
        return { text: part.text }
      case 'reasoning-delta':
        return { text: part.text, thought: true }
      case 'reasoning-end':
        return toReasoningEnd(part)
      case 'tool-call-start':
        calls.set(part.index, { ...part, arguments: '' })
        break
      case 'tool-call-delta':
        addArguments(calls.get(part.index), part.arguments)
        break
      case 'tool-call-end':
        return takeWhole(calls, part.index)
      case 'citation':
        citations.push(part.citation)
        break
      case 'text-start':
      case 'text-end':
      case 'reasoning-start':
    }
    return undefined
  }

  const write = (candidate: JsonObject, rest: JsonObject = {}): string =>
    JSON.stringify({ candidates: [candidate], ...rest, modelVersion, responseId: context.rid })

  return {
    encode(part) {
      if (part.type === 'finish') {
        finish = part.reason
        usage = part.usage
        const sources = citations.map((citation) => toSource(citation, text))
        const candidate = toLastCandidate(part.reason, [...calls.values()], sources)
        return [write(candidate, usage && { usageMetadata: toWireUsage(usage) })]
      }
      const told = toPart(part)
      return told === undefined ? [] : [write(toCandidate([told]))]
    },
    get observation() {
      return { finish, usage }
    },
  }
}

/** The candidate that ends the answer, with the calls that nobody has ended. */
function toLastCandidate(
  reason: FinishReason,
  open: readonly Call[],
  citationSources: readonly JsonObject[],
): JsonObject {
  const parts = open.map(toFunctionCall).filter((part) => part !== undefined)
  const broken = open.filter((call) => toFunctionCall(call) === undefined)
  // Gemini's own word for it, unless the answer was cut off anyway.
  const isMalformed = broken.length > 0 && (reason.unified === 'stop' || reason.unified === 'tool_calls')
  return toCandidate(parts.length > 0 ? parts : [{ text: '' }], {
    finishReason: isMalformed ? 'MALFORMED_FUNCTION_CALL' : toWireFinishReason(reason),
    ...(isMalformed && { finishMessage: describe(broken) }),
    ...(citationSources.length > 0 && { citationMetadata: { citationSources } }),
  })
}

function toCandidate(parts: readonly JsonObject[], fields: JsonObject = {}): JsonObject {
  return { content: { role: 'model', parts }, ...fields, index: 0 }
}

function toReasoningEnd(part: Extract<Part, { type: 'reasoning-end' }>): JsonObject | undefined {
  if (part.redacted !== undefined) {
    return { text: '', thought: true, partMetadata: { redacted: part.redacted } }
  }
  return part.signature === undefined
    ? undefined
    : { text: '', thought: true, thoughtSignature: part.signature }
}

function addArguments(call: Call | undefined, text: string): void {
  if (call !== undefined) call.arguments += text
}

/** The call's part, which is told once; `undefined` for one that is broken. */
function takeWhole(calls: Map<number, Call>, index: number): JsonObject | undefined {
  const call = calls.get(index)
  const told = call && toFunctionCall(call)
  if (told !== undefined) calls.delete(index)
  return told
}

/** `undefined` while the arguments are no JSON object, which Gemini's clients would not get either. */
function toFunctionCall(call: Call): JsonObject | undefined {
  const args = parseArguments(call.arguments)
  if (args === undefined) return undefined
  return {
    functionCall: { id: call.id, name: call.name, args },
    ...(call.signature !== undefined && { thoughtSignature: call.signature }),
  }
}

function parseArguments(text: string): JsonObject | undefined {
  if (text.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function describe(calls: readonly Call[]): string {
  const told = calls.map((call) => `${call.name}(${call.arguments.slice(0, 1000)})`)
  return `Malformed function call: ${told.join(', ')}`
}

/** A citation comes as an annotation of chat completions; Google counts the text before it in bytes. */
function toSource(citation: JsonObject, text: string): JsonObject {
  const cited = citation.url_citation
  if (!isJsonObject(cited)) return citation
  const toBytes = (at: unknown): number | undefined =>
    typeof at === 'number' ? Buffer.byteLength(text.slice(0, at)) : undefined
  return {
    startIndex: toBytes(cited.start_index),
    endIndex: toBytes(cited.end_index),
    uri: cited.url,
    title: cited.title,
  }
}

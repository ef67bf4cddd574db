import { isJsonObject, type Usage } from '#libs/core'
import type { FrameContext } from '../dialect.ts'
import { parseProviderJson } from '../provider-json.ts'
import { chunkEnd, createChunkWriter } from './chunk.ts'
import { toWireUsage } from './words.ts'

type JsonObject = Record<string, unknown>

/** Told anew in each chunk, so a later one takes the place of an earlier, where other strings are pieces of one. */
const wholeStrings = new Set(['role', 'id', 'type', 'name', 'format', 'signature'])

/**
 * Puts the frames of a stream together, also of one that broke off: what no frame told is null, above all
 * `finish_reason`. `usage` is for streams whose client did not want to be told it.
 */
export function collect(frames: readonly string[], context: FrameContext, usage?: Usage): string {
  const extras = createObject()
  const choices = new Map<unknown, JsonObject>()
  for (const frame of frames) {
    const chunk = parseProviderJson(frame)
    if (chunk.error) continue
    for (const [name, value] of Object.entries(chunk)) {
      if (name !== 'choices' && name !== 'sequence_number' && name !== 'obfuscation' && value !== null) {
        extras[name] = value
      }
    }
    if (!Array.isArray(chunk.choices)) continue
    for (const choice of chunk.choices) {
      if (!isJsonObject(choice)) continue
      const known = choices.get(choice.index) ?? createObject()
      choices.set(choice.index, known)
      addChoice(known, choice)
    }
  }
  const { id: _id, object: _object, created: _created, model: _model, ...others } = extras
  return JSON.stringify({
    id: context.rid,
    object: 'chat.completion',
    created: context.createdAt,
    model: context.model,
    choices: [...choices.values()].toSorted((a, b) => Number(a.index) - Number(b.index)).map(toAnswerChoice),
    ...(usage !== undefined && { usage: toWireUsage(usage) }),
    ...others,
  })
}

/** A whole answer told as a stream: of each choice its role, all it says, and why it ended. */
export function toFrames(answer: string, context: FrameContext): string[] {
  const writeChunk = createChunkWriter(context)
  const { id: _id, object: _object, created: _created, model: _model, ...body } = parseProviderJson(answer)
  const { choices, usage, ...others } = body
  const frames: string[] = []
  for (const choice of Array.isArray(choices) ? choices : []) {
    if (!isJsonObject(choice)) continue
    const { index = 0, message, finish_reason: reason, ...more } = choice
    const { role = 'assistant', ...says } = isJsonObject(message) ? message : {}
    write({ index, delta: { role, content: '' }, finish_reason: null })
    write({ index, delta: numberToolCalls(says), ...more, finish_reason: null })
    if (reason) write({ index, delta: {}, finish_reason: reason })
  }
  if (context.includeUsage && isJsonObject(usage)) {
    frames.push(writeChunk(frames.length, '[]', `,"usage":${JSON.stringify(usage)}}`))
  }
  return frames

  function write(choice: JsonObject): void {
    const first = frames.length === 0 ? Object.entries(others) : []
    const kept = first.map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`).join('')
    frames.push(writeChunk(frames.length, JSON.stringify([choice]), kept + chunkEnd(context)))
  }
}

function addChoice(known: JsonObject, choice: JsonObject): void {
  for (const [name, value] of Object.entries(choice)) {
    if (name === 'delta' || name === 'logprobs') mergeDelta(known, { [name]: value })
    else if (value !== null) known[name] = value
  }
}

function toAnswerChoice(choice: JsonObject): JsonObject {
  const { index, delta, logprobs, finish_reason: reason, ...more } = choice
  const { role, content, refusal, tool_calls: calls, ...says } = isJsonObject(delta) ? delta : {}
  const isSilent = content === '' && (Array.isArray(calls) || typeof refusal === 'string')
  return {
    index,
    message: {
      role: role ?? 'assistant',
      content: isSilent ? null : (content ?? null),
      refusal: refusal ?? null,
      ...says,
      ...(Array.isArray(calls) && { tool_calls: calls.map(withoutIndex) }),
    },
    logprobs: logprobs ?? null,
    finish_reason: reason ?? null,
    ...more,
  }
}

/**
 * Adds a delta to what is known: strings are appended, objects merged, elements of arrays merged by their
 * `index` if they have one and else appended. The known objects have no prototype, so no key is special.
 */
function mergeDelta(known: JsonObject, delta: JsonObject): void {
  for (const [name, value] of Object.entries(delta)) {
    const before = known[name]
    if (value === null || value === undefined) known[name] ??= null
    else if (typeof value === 'string') {
      known[name] = typeof before === 'string' && !wholeStrings.has(name) ? before + value : value
    } else if (Array.isArray(value)) {
      const array: unknown[] = Array.isArray(before) ? before : []
      known[name] = array
      for (const element of value) mergeElement(array, element)
    } else if (isJsonObject(value)) {
      const object = isJsonObject(before) ? before : createObject()
      known[name] = object
      mergeDelta(object, value)
    } else known[name] = value
  }
}

function mergeElement(array: unknown[], element: unknown): void {
  if (!isJsonObject(element) || typeof element.index !== 'number') {
    array.push(element)
    return
  }
  const { index } = element
  let known = array.find((other): other is JsonObject => isJsonObject(other) && other.index === index)
  if (known === undefined) {
    known = createObject()
    array.push(known)
  }
  mergeDelta(known, element)
}

function numberToolCalls(says: JsonObject): JsonObject {
  const calls = says.tool_calls
  if (!Array.isArray(calls)) return says
  return {
    ...says,
    tool_calls: calls.map((call: unknown, index) => ({ index, ...(isJsonObject(call) && call) })),
  }
}

function withoutIndex(call: unknown): unknown {
  if (!isJsonObject(call)) return call
  const { index: _index, ...rest } = call
  return rest
}

function createObject(): JsonObject {
  return Object.create(null) as JsonObject
}

import { isJsonObject } from '#libs/core'
import type { ResponseObject } from '../response-object.ts'

type JsonObject = Record<string, unknown>

/** Where a piece of text goes: into the item itself, or into one of its parts. */
const deltas: Readonly<Record<string, { list?: 'content' | 'summary'; field: string; type?: string }>> = {
  'response.output_text.delta': { list: 'content', field: 'text', type: 'output_text' },
  'response.refusal.delta': { list: 'content', field: 'refusal', type: 'refusal' },
  'response.reasoning_text.delta': { list: 'content', field: 'text', type: 'reasoning_text' },
  'response.reasoning_summary_text.delta': { list: 'summary', field: 'text', type: 'summary_text' },
  'response.function_call_arguments.delta': { field: 'arguments' },
  'response.mcp_call_arguments.delta': { field: 'arguments' },
  'response.custom_tool_call_input.delta': { field: 'input' },
  'response.code_interpreter_call_code.delta': { field: 'code' },
}

/** Events that put a whole part in its place. */
const parts: Readonly<Record<string, { list: 'content' | 'summary'; index: string }>> = {
  'response.content_part.added': { list: 'content', index: 'content_index' },
  'response.content_part.done': { list: 'content', index: 'content_index' },
  'response.reasoning_summary_part.added': { list: 'summary', index: 'summary_index' },
  'response.reasoning_summary_part.done': { list: 'summary', index: 'summary_index' },
}

/** The response as the frames tell it until here; `undefined` if none tells of a response. */
export function assembleResponse(frames: readonly string[]): ResponseObject | undefined {
  let response: JsonObject | undefined
  const output: unknown[] = []
  for (const frame of frames) {
    const event = parse(frame)
    if (!isJsonObject(event)) continue
    if (isJsonObject(event.response)) {
      response = event.response
      if (Array.isArray(response.output)) put(output, response.output)
    } else if (event.type === 'response.output_item.added' || event.type === 'response.output_item.done') {
      place(output, event.output_index, event.item)
    } else {
      const item = at(output, event.output_index)
      if (isJsonObject(item)) addToItem(item, event)
    }
  }
  return response === undefined ? undefined : { status: 'in_progress', ...response, output }
}

/** A provider's piece of text is passed on unread, so it may be no JSON: then it tells nothing. */
function parse(frame: string): unknown {
  try {
    return JSON.parse(frame)
  } catch {
    return undefined
  }
}

/** A later snapshot may know less than the events before it: only what it holds is taken over. */
function put(output: unknown[], snapshot: readonly unknown[]): void {
  for (const [index, item] of snapshot.entries()) output[index] = item
}

function addToItem(item: JsonObject, event: JsonObject): void {
  const type = String(event.type)
  const part = Object.hasOwn(parts, type) ? parts[type] : undefined
  if (part !== undefined) return place(listOf(item, part.list), event[part.index], event.part)
  const delta = Object.hasOwn(deltas, type) ? deltas[type] : undefined
  if (delta !== undefined && typeof event.delta === 'string') {
    const holder = delta.list === undefined ? item : partFor(item, delta.list, event, delta.type)
    if (holder !== undefined) holder[delta.field] = textOf(holder[delta.field]) + event.delta
  } else if (type === 'response.output_text.annotation.added') {
    const holder = partFor(item, 'content', event)
    if (holder !== undefined) place(listOf(holder, 'annotations'), event.annotation_index, event.annotation)
  }
}

/** The part that the event is about, made if it is the next: some servers announce none. */
function partFor(
  item: JsonObject,
  list: 'content' | 'summary',
  event: JsonObject,
  type?: string,
): JsonObject | undefined {
  const index = list === 'content' ? event.content_index : event.summary_index
  const all = listOf(item, list)
  if (type !== undefined && index === all.length) all.push({ type })
  const part = at(all, index)
  return isJsonObject(part) ? part : undefined
}

function listOf(holder: JsonObject, name: string): unknown[] {
  const known = holder[name]
  const list: unknown[] = Array.isArray(known) ? known : []
  holder[name] = list
  return list
}

/** Into its place or behind the last: a number from outside must not make an array of a billion holes. */
function place(list: unknown[], index: unknown, value: unknown): void {
  if (typeof index === 'number' && index >= 0 && index <= list.length && isJsonObject(value)) {
    list[index] = value
  }
}

function at(list: readonly unknown[], index: unknown): unknown {
  return typeof index === 'number' ? list[index] : undefined
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

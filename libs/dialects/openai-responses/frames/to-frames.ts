import { isJsonObject } from '#libs/core'
import type { FrameContext } from '../../dialect.ts'
import { createResponseObject } from '../response-object.ts'
import { createEventWriter, type EventWriter } from './event-writer.ts'

type JsonObject = Record<string, unknown>

/** A whole response told as a stream: each item opened, said in one piece, and closed. */
export function toFrames(answer: string, context: FrameContext): string[] {
  const response = { ...createResponseObject(context, 'completed'), ...(JSON.parse(answer) as JsonObject) }
  const events = createEventWriter(0)
  const begun = { ...response, status: 'in_progress', output: [], usage: null, incomplete_details: null }
  events.write('response.created', { response: begun })
  events.write('response.in_progress', { response: begun })
  for (const [index, item] of response.output.entries()) {
    if (isJsonObject(item)) tellItem(events, item, index)
  }
  const { status } = response
  const end = status === 'completed' || status === 'failed' ? status : 'incomplete'
  events.write(`response.${end}`, { response })
  return events.frames
}

function tellItem(events: EventWriter, item: JsonObject, index: number): void {
  const place = { item_id: item.id, output_index: index }
  const begun = { ...item, ...('status' in item && { status: 'in_progress' }), ...emptied(item) }
  events.write('response.output_item.added', { output_index: index, item: begun })
  if (item.type === 'message' || item.type === 'reasoning') tellParts(events, item, place)
  if (item.type === 'function_call') {
    const { name, arguments: text } = item
    events.write('response.function_call_arguments.delta', { ...place, delta: text })
    events.write('response.function_call_arguments.done', { ...place, name, arguments: text })
  }
  events.write('response.output_item.done', { output_index: index, item })
}

/** What the events between the item's opening and its close will say. */
function emptied(item: JsonObject): JsonObject {
  if (item.type === 'message') return { content: [] }
  if (item.type === 'function_call') return { arguments: '' }
  return item.type === 'reasoning' ? { summary: [], ...('content' in item && { content: [] }) } : {}
}

function tellParts(events: EventWriter, item: JsonObject, place: JsonObject): void {
  const summary: unknown[] = Array.isArray(item.summary) ? item.summary : []
  for (const [index, part] of summary.entries()) {
    if (!isJsonObject(part)) continue
    const at = { ...place, summary_index: index }
    events.write('response.reasoning_summary_part.added', { ...at, part: { ...part, text: '' } })
    events.write('response.reasoning_summary_text.delta', { ...at, delta: part.text })
    events.write('response.reasoning_summary_text.done', { ...at, text: part.text })
    events.write('response.reasoning_summary_part.done', { ...at, part })
  }
  const content: unknown[] = Array.isArray(item.content) ? item.content : []
  for (const [index, part] of content.entries()) {
    if (isJsonObject(part)) tellPart(events, part, { ...place, content_index: index })
  }
}

function tellPart(events: EventWriter, part: JsonObject, at: JsonObject): void {
  const { type, text, refusal } = part
  const logprobs: unknown = Array.isArray(part.logprobs) ? part.logprobs : []
  if (type === 'output_text') {
    const begun = { ...part, text: '', annotations: [], logprobs: [] }
    events.write('response.content_part.added', { ...at, part: begun })
    events.write('response.output_text.delta', { ...at, delta: text, logprobs })
    for (const [index, annotation] of (Array.isArray(part.annotations) ? part.annotations : []).entries()) {
      events.write('response.output_text.annotation.added', { ...at, annotation_index: index, annotation })
    }
    events.write('response.output_text.done', { ...at, text, logprobs })
  } else if (type === 'refusal') {
    events.write('response.content_part.added', { ...at, part: { ...part, refusal: '' } })
    events.write('response.refusal.delta', { ...at, delta: refusal })
    events.write('response.refusal.done', { ...at, refusal })
  } else if (type === 'reasoning_text') {
    events.write('response.content_part.added', { ...at, part: { ...part, text: '' } })
    events.write('response.reasoning_text.delta', { ...at, delta: text })
    events.write('response.reasoning_text.done', { ...at, text })
  } else {
    events.write('response.content_part.added', { ...at, part })
  }
  events.write('response.content_part.done', { ...at, part })
}

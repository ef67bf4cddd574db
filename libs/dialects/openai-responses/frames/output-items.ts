import { isJsonObject } from '#libs/core'
import type { EventWriter } from './event-writer.ts'

type JsonObject = Record<string, unknown>
type ItemStatus = 'completed' | 'incomplete'

/** Where an item stands in the output, and its id. */
export interface ItemPlace {
  item_id: string
  output_index: number
}

/** An item that is being told. `close` tells its end and gives the whole of it. */
export interface OpenItem {
  close(events: EventWriter, status: ItemStatus): JsonObject
}

export interface OpenMessage extends OpenItem {
  /** Begins another part; without it, texts join the part before. */
  startPart(events: EventWriter, type: 'output_text' | 'refusal'): void
  addText(events: EventWriter, text: string, logprobs?: unknown): void
  addRefusal(events: EventWriter, text: string): void
  annotate(events: EventWriter, citation: JsonObject): void
}

/** Texts and refusals that follow each other are the parts of one message. */
export function openMessage(events: EventWriter, place: ItemPlace): OpenMessage {
  const content: JsonObject[] = []
  const opening = { id: place.item_id, type: 'message', role: 'assistant' }
  let part: MessagePart | undefined
  writeAdded(events, place, { ...opening, status: 'in_progress', content: [] })

  function startPart(to: EventWriter, type: MessagePart['type']): MessagePart {
    endPart(to)
    part = { type, text: '', annotations: [], logprobs: [], at: { ...place, content_index: content.length } }
    to.write('response.content_part.added', { ...part.at, part: toPart(part) })
    return part
  }

  function endPart(to: EventWriter): void {
    if (part === undefined) return
    const { at, type, text, logprobs } = part
    if (type === 'refusal') to.write('response.refusal.done', { ...at, refusal: text })
    else to.write('response.output_text.done', { ...at, text, logprobs })
    const whole = toPart(part)
    to.write('response.content_part.done', { ...at, part: whole })
    content.push(whole)
    part = undefined
  }

  return {
    startPart: (to, type) => void startPart(to, type),
    addText(to, text, logprobs) {
      const open = part?.type === 'output_text' ? part : startPart(to, 'output_text')
      const told: unknown[] = Array.isArray(logprobs) ? logprobs : []
      open.text += text
      open.logprobs.push(...told)
      to.write('response.output_text.delta', { ...open.at, delta: text, logprobs: told })
    },
    addRefusal(to, text) {
      const open = part?.type === 'refusal' ? part : startPart(to, 'refusal')
      open.text += text
      to.write('response.refusal.delta', { ...open.at, delta: text })
    },
    annotate(to, citation) {
      if (part?.type !== 'output_text') return
      const annotation = toAnnotation(citation)
      const index = part.annotations.push(annotation) - 1
      to.write('response.output_text.annotation.added', { ...part.at, annotation_index: index, annotation })
    },
    close(to, status) {
      endPart(to)
      return writeDone(to, place, { ...opening, status, content })
    },
  }
}

interface MessagePart {
  type: 'output_text' | 'refusal'
  text: string
  annotations: JsonObject[]
  logprobs: unknown[]
  at: ItemPlace & { content_index: number }
}

function toPart({ type, text, annotations, logprobs }: MessagePart): JsonObject {
  return type === 'refusal'
    ? { type, refusal: text }
    : { type, text, annotations: [...annotations], logprobs: [...logprobs] }
}

/** Chat puts the fields of a `url_citation` into an object of that name, and Responses beside the type. */
function toAnnotation(citation: JsonObject): JsonObject {
  const { url_citation: inner, ...rest } = citation
  return isJsonObject(inner) ? { ...rest, ...inner } : citation
}

export interface OpenReasoning extends OpenItem {
  add(events: EventWriter, text: string): void
  /** What must come back untouched with the next turn. */
  seal(encrypted: string): void
}

export function openReasoning(events: EventWriter, place: ItemPlace): OpenReasoning {
  const opening = { id: place.item_id, type: 'reasoning' }
  const at = { ...place, content_index: 0 }
  let text: string | undefined
  let encrypted: string | undefined
  writeAdded(events, place, { ...opening, status: 'in_progress', summary: [], content: [] })
  return {
    add(to, delta) {
      if (text === undefined) {
        to.write('response.content_part.added', { ...at, part: { type: 'reasoning_text', text: '' } })
      }
      text = (text ?? '') + delta
      to.write('response.reasoning_text.delta', { ...at, delta })
    },
    seal(value) {
      encrypted = value
    },
    close(to, status) {
      const part = { type: 'reasoning_text', text }
      if (text !== undefined) {
        to.write('response.reasoning_text.done', { ...at, text })
        to.write('response.content_part.done', { ...at, part })
      }
      const content = text === undefined ? [] : [part]
      const seal = encrypted === undefined ? {} : { encrypted_content: encrypted }
      return writeDone(to, place, { ...opening, status, summary: [], content, ...seal })
    },
  }
}

export interface OpenToolCall extends OpenItem {
  add(events: EventWriter, text: string): void
}

/** `signature` goes where chat clients have it too, since the dialect has no field for it. */
export function openToolCall(
  events: EventWriter,
  place: ItemPlace,
  call: { id: string; name: string; signature?: string },
): OpenToolCall {
  const { id, name, signature } = call
  const opening = {
    id: place.item_id,
    type: 'function_call',
    call_id: id,
    name,
    ...(signature !== undefined && { extra_content: { google: { thought_signature: signature } } }),
  }
  let text = ''
  writeAdded(events, place, { ...opening, arguments: '', status: 'in_progress' })
  return {
    add(to, delta) {
      text += delta
      to.write('response.function_call_arguments.delta', { ...place, delta })
    },
    close(to, status) {
      to.write('response.function_call_arguments.done', { ...place, name, arguments: text })
      return writeDone(to, place, { ...opening, arguments: text, status })
    },
  }
}

function writeAdded(events: EventWriter, { output_index }: ItemPlace, item: JsonObject): void {
  events.write('response.output_item.added', { output_index, item })
}

function writeDone(events: EventWriter, { output_index }: ItemPlace, item: JsonObject): JsonObject {
  events.write('response.output_item.done', { output_index, item })
  return item
}

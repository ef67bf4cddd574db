import { findTopLevelFields, isJsonObject, type FinishReason, type JsonField, type Usage } from '#libs/core'
import type { FrameContext, NativeObserver } from '../dialect.ts'
import { parseProviderJson, protocolError, renameProviderJson } from '../provider-json.ts'
import { chunkOpening } from './chunk.ts'
import { readErrorEvent } from './read-error-event.ts'
import { createToolCallIds } from './tool-call-ids.ts'
import { mendFinishReasons, readFinishReason, readUsage } from './words.ts'

/** What we say in each chunk in the provider's place. */
const replacedFields = ['id', 'object', 'created', 'model']

/**
 * Finds what a chunk must be parsed for: a finish reason, a usage, an error, the id of a tool call. Text of the
 * model can't look like it, because inside a string the quotes are escaped.
 */
const notable = /"(?:finish_reason"\s*:\s*"|usage"\s*:\s*\{|error"\s*:\s*[^\sn]|id"\s*:)/

/** Watches a stream of chunks, which `object` names: under our id, numbered, with all that is the provider's own as it came. */
export function createObserver(context: FrameContext, object?: string): NativeObserver {
  const heads = createHeadSwap(context, object)
  const toolCallIds = createToolCallIds()
  let ended = false
  let finish: FinishReason | undefined
  let usage: Usage | undefined

  function observeCarefully(data: string, seq: number): string | undefined {
    const { fields, value: chunk } = readObject(data)
    if (chunk.error) throw readErrorEvent(chunk)
    usage = readUsage(chunk.usage) ?? usage
    const choices: unknown[] = Array.isArray(chunk.choices) ? chunk.choices : []
    finish ??= readFinish(choices)
    if (choices.length === 0 && isJsonObject(chunk.usage) && !context.includeUsage) return undefined
    const isMended = [toolCallIds.mend(choices), mendFinishReasons(choices)].includes(true)
    heads.learn(data, fields)
    return heads.write(data, fields, seq, isMended ? JSON.stringify(choices) : undefined)
  }

  return {
    observe({ event, data: text }, seq) {
      if (ended) return undefined
      // A line break between two tokens is as good as a space, and a frame is one line.
      const data = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]+/g, ' ') : text
      if (event === 'error') throw readErrorEvent(parseOr(data, data.slice(0, 1000)))
      if (data.length < 16) {
        // Some servers send empty data to keep the connection open.
        const mark = data.trim()
        ended = mark === '[DONE]'
        if (ended || mark === '') return undefined
      }
      const rest = heads.restOf(data)
      const isPlain =
        rest?.endsWith('}') === true &&
        !notable.test(rest) &&
        !(toolCallIds.renumbers && rest.includes('"tool_calls"'))
      return isPlain ? heads.writeRest(rest, seq) : observeCarefully(data, seq)
    },

    observeAnswer(json) {
      const answer = parseProviderJson(json)
      if (answer.error) throw readErrorEvent(answer)
      if (!Array.isArray(answer.choices)) throw protocolError('The provider answered without `choices`.')
      usage = readUsage(answer.usage)
      finish = readFinish(answer.choices)
      ended = true
      const mended = mendFinishReasons(answer.choices) ? { choices: answer.choices } : {}
      return renameProviderJson(json, { id: context.rid, model: context.model, ...mended })
    },

    get ended() {
      return ended
    },
    get observation() {
      return { finish, usage }
    },
  }
}

/**
 * Chunks of one stream begin alike, up to their `choices`. Once a chunk's beginning is learnt, those that begin
 * the same get ours in its place, and their rest is text that nobody has to read.
 */
function createHeadSwap(context: FrameContext, object?: string) {
  const opening = chunkOpening(context, object)
  let head: string | undefined
  let keptFields = ''

  return {
    learn(data: string, fields: readonly JsonField[]): void {
      const at = fields.findIndex((field) => field.name === 'choices')
      const choices = fields[at]
      const before = fields.slice(0, Math.max(at, 0))
      const isWhole = replacedFields.every((name) => before.some((field) => field.name === name))
      // What we replace must not come again after the choices, where nobody looks for it.
      if (choices === undefined || !isWhole || fields.slice(at + 1).some(isOurs)) return
      head = data.slice(0, choices.start)
      keptFields = keepFields(data, before)
    },

    /** All from the value of `choices` on, if the chunk begins as the learnt one. */
    restOf(data: string): string | undefined {
      return head !== undefined && data.startsWith(head) ? data.slice(head.length) : undefined
    },

    writeRest(rest: string, seq: number): string {
      return `${opening}${seq}${keptFields},"choices":${rest}`
    },

    write(data: string, fields: readonly JsonField[], seq: number, mendedChoices?: string): string {
      const isTold = fields.some((field) => field.name === 'choices')
      if (mendedChoices === undefined && isTold) return `${opening}${seq}${keepFields(data, fields)}}`
      const others = fields.filter((field) => field.name !== 'choices')
      return `${opening}${seq},"choices":${mendedChoices ?? '[]'}${keepFields(data, others)}}`
    },
  }
}

function keepFields(data: string, fields: readonly JsonField[]): string {
  let kept = ''
  for (const field of fields) {
    if (!isOurs(field)) kept += `,${data.slice(field.keyStart, field.end)}`
  }
  return kept
}

function isOurs(field: JsonField): boolean {
  return field.name === 'sequence_number' || replacedFields.includes(field.name)
}

function readFinish(choices: readonly unknown[]): FinishReason | undefined {
  for (const choice of choices) {
    if (isJsonObject(choice) && typeof choice.finish_reason === 'string' && choice.finish_reason !== '') {
      return readFinishReason(choice.finish_reason)
    }
  }
  return undefined
}

function readObject(json: string): { fields: JsonField[]; value: Record<string, unknown> } {
  return { value: parseProviderJson(json), fields: findTopLevelFields(json) ?? [] }
}

function parseOr(json: string, otherwise: unknown): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return otherwise
  }
}

import { findTopLevelFields, isJsonObject, spliceText, type FinishReason } from '#libs/core'
import type { FrameContext, NativeObserver } from '../dialect.ts'
import { parseProviderJson, protocolError, renameProviderJson } from '../provider-json.ts'
import { readErrorEvent } from './errors.ts'
import { readFinishReason, readUsage, toUsage, type WireUsage } from './words.ts'

/** Events that tell neither id, model, usage nor finish: nobody has to read them. */
const contentEvents: ReadonlySet<string> = new Set([
  'content_block_delta',
  'content_block_start',
  'content_block_stop',
])

/**
 * Watches a stream of Messages events: under our id and the name that was asked for, with all else as it came. A
 * frame begins with its `type`, by which `toEvent` names it.
 */
export function createObserver(context: FrameContext): NativeObserver {
  let ended = false
  let finish: FinishReason | undefined
  let usage: WireUsage = {}

  function observeCarefully(name: string | undefined, data: string): string | undefined {
    const event = parseProviderJson(data)
    const type = typeof event.type === 'string' ? event.type : (name ?? '')
    if (type === 'ping') return undefined
    if (type === 'error') throw readErrorEvent(event)
    if (type === 'message_start' && isJsonObject(event.message)) {
      usage = readUsage(event.message.usage, usage)
      return beginWithType(type, nameStart(data, context))
    }
    if (type === 'message_delta') {
      usage = readUsage(event.usage, usage)
      if (isJsonObject(event.delta)) finish = readFinishReason(event.delta) ?? finish
    }
    if (type === 'message_stop') ended = true
    return beginWithType(type, data)
  }

  return {
    observe({ event, data: text }) {
      if (ended || event === 'ping') return undefined
      // A line break between two tokens is as good as a space, and a frame is one line.
      const data = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]+/g, ' ') : text
      const isPlain =
        event !== undefined &&
        contentEvents.has(event) &&
        data.startsWith(`{"type":"${event}"`) &&
        data.endsWith('}')
      if (isPlain) return data
      const mark = data.trim()
      return mark === '' || mark === '[DONE]' ? undefined : observeCarefully(event, data)
    },

    observeAnswer(json) {
      const answer = parseProviderJson(json)
      if (answer.type === 'error') throw readErrorEvent(answer)
      if (!Array.isArray(answer.content)) throw protocolError('The provider answered without `content`.')
      usage = readUsage(answer.usage)
      finish = readFinishReason(answer)
      ended = true
      return nameMessage(json, context)
    },

    get ended() {
      return ended
    },
    get observation() {
      return { finish, usage: toUsage(usage) }
    },
  }
}

function nameStart(data: string, context: FrameContext): string {
  const messages = findTopLevelFields(data, ['message']) ?? []
  return spliceText(
    data,
    messages.map(({ start, end }) => ({ start, end, text: nameMessage(data.slice(start, end), context) })),
  )
}

/** The message under our id and the name that was asked for. */
function nameMessage(json: string, context: FrameContext): string {
  return renameProviderJson(json, { id: context.rid, model: context.model })
}

function beginWithType(type: string, data: string): string {
  const opening = `{"type":${JSON.stringify(type)}`
  if (data.startsWith(opening)) return data
  const others = (findTopLevelFields(data) ?? []).filter(({ name }) => name !== 'type')
  return `${opening}${others.map(({ keyStart, end }) => `,${data.slice(keyStart, end)}`).join('')}}`
}

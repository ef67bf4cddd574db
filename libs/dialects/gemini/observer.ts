import { findTopLevelFields, GatewayError, isJsonObject, spliceText, type FinishReason } from '#libs/core'
import type { FrameContext, NativeObserver } from '../dialect.ts'
import { parseProviderJson, protocolError } from '../provider-json.ts'
import { readFinishReason, readUsage } from './words.ts'

/** What a chunk must be parsed for. Text of the model can't look like it: inside a string the quotes are escaped. */
const notable = /"(?:finishReason|blockReason|error)"\s*:/

/**
 * Watches a stream of generateContent chunks: under our id in `responseId`, with all that is the provider's own as it
 * came, `modelVersion` included. Each chunk tells the usage so far, so only the last one's is read.
 */
export function createObserver({ rid }: FrameContext): NativeObserver {
  const ourId = `"responseId":${JSON.stringify(rid)}`
  /** How chunks of this stream end, from the comma before `responseId` on. */
  let tail: string | undefined
  let finish: FinishReason | undefined
  let toldUsage: string | undefined

  function observeCarefully(json: string): string {
    const chunk = parseProviderJson(json)
    if (chunk.error) throw readError(chunk.error)
    finish ??= readFinish(chunk)
    const fields = findTopLevelFields(json, ['responseId']) ?? []
    if (fields.length === 0) return insertId(json)
    const [field] = fields
    const comma = field === undefined ? -1 : json.lastIndexOf(',', field.keyStart)
    if (
      fields.length === 1 &&
      field !== undefined &&
      /^\s*}\s*$/.test(json.slice(field.end)) &&
      comma !== -1
    ) {
      tail = json.slice(comma)
    }
    return spliceText(
      json,
      fields.map(({ keyStart, end }) => ({ start: keyStart, end, text: ourId })),
    )
  }

  function insertId(json: string): string {
    const start = json.indexOf('{') + 1
    const isEmpty = /^\s*}/.test(json.slice(start))
    return spliceText(json, [{ start, end: start, text: isEmpty ? ourId : `${ourId},` }])
  }

  return {
    observe({ event, data: text }) {
      // A line break between two tokens is as good as a space, and a frame is one line.
      const data = /[\r\n]/.test(text) ? text.replaceAll(/[\r\n]+/g, ' ') : text
      if (data.trim() === '') return undefined
      if (event === 'error') throw readError(parseProviderJson(data).error)
      if (data.includes('"usageMetadata"')) toldUsage = data
      if (tail !== undefined && data.endsWith(tail) && !notable.test(data)) {
        return `${data.slice(0, -tail.length)},${ourId}}`
      }
      return observeCarefully(data)
    },

    observeAnswer(json) {
      const answer = parseProviderJson(json)
      if (!answer.error && !Array.isArray(answer.candidates) && !isJsonObject(answer.promptFeedback)) {
        throw protocolError('The provider answered without `candidates`.')
      }
      toldUsage = json
      return observeCarefully(json)
    },

    get ended() {
      return false
    },
    get observation() {
      const usage =
        toldUsage === undefined ? undefined : readUsage(parseProviderJson(toldUsage).usageMetadata)
      return { finish, usage }
    },
  }
}

/** A blocked prompt has no candidates, and its reason is all the finish there is. */
function readFinish(chunk: Record<string, unknown>): FinishReason | undefined {
  const candidates: unknown[] = Array.isArray(chunk.candidates) ? chunk.candidates : []
  for (const candidate of candidates) {
    if (isJsonObject(candidate) && typeof candidate.finishReason === 'string') {
      return readFinishReason(candidate.finishReason)
    }
  }
  const reason = isJsonObject(chunk.promptFeedback) ? chunk.promptFeedback.blockReason : undefined
  return typeof reason === 'string' ? { unified: 'content_filter', raw: reason } : undefined
}

function readError(error: unknown): GatewayError {
  const { message, code, status } = isJsonObject(error) ? error : {}
  const said =
    typeof message === 'string' && message !== ''
      ? message
      : 'The provider broke off its answer with an error.'
  return new GatewayError('upstream_error', said, {
    raw: {
      ...(typeof status === 'string' && { type: status }),
      ...(typeof code === 'number' && { code: String(code) }),
    },
  })
}

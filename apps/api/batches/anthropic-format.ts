import { isJsonObject } from '#libs/core'
import { anthropicMessages } from '#libs/dialects'
import type { BatchFormat } from './format.ts'
import { parseLine, toOneLine } from './line-json.ts'

const customIdPattern = /^[a-zA-Z0-9_-]{1,64}$/

/** Anthropic's: all requests are Messages, and all results are in one place. */
export const anthropicFormat: BatchFormat = {
  name: 'anthropic-batches',

  readLine(text) {
    const line = parseLine(text)
    if (!isJsonObject(line)) return problem('It is not valid JSON.')
    const { custom_id: customId, params } = line
    if (typeof customId !== 'string' || !customIdPattern.test(customId)) {
      return problem('custom_id has 1 to 64 letters, digits, _ and -.', 'custom_id')
    }
    if (!isJsonObject(params)) return problem('params is an object.', 'params')
    if (params.stream === true) return problem('It is answered in one piece.', 'params.stream')
    return { customId, body: params, json: JSON.stringify(params) }
  },

  writeResult({ id, customId, result }) {
    const told = (outcome: string): { file: 'output'; text: string } => ({
      file: 'output',
      text: `{"custom_id":${JSON.stringify(customId)},"result":${outcome}}\n`,
    })
    switch (result.outcome) {
      case 'completed':
        return told(`{"type":"succeeded","message":${toOneLine(result.answer)}}`)
      case 'failed': {
        const body = JSON.parse(anthropicMessages.errorBody(result.error)) as object
        return told(JSON.stringify({ type: 'errored', error: { ...body, request_id: `req_${id}` } }))
      }
      case 'cancelled':
        return told('{"type":"canceled"}')
      case 'expired':
        return told('{"type":"expired"}')
    }
  },

  async keepResults() {},

  async dropInput(files, { tenant, input }) {
    await files.discard(tenant, input.id)
  },
}

function problem(message: string, param: string | null = null) {
  return { code: 'invalid_request', message, param }
}

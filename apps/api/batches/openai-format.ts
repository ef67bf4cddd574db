import { isJsonObject } from '#libs/core'
import { batchEndpoints } from './endpoints.ts'
import { toOneLine, parseLine } from './line-json.ts'
import type { BatchFormat } from './format.ts'

const longestCustomId = 512

/** OpenAI's: a line names its path, and a result is in one of two files. */
export const openaiFormat: BatchFormat = {
  name: 'openai-batches',

  readLine(text, endpoint) {
    const line = parseLine(text)
    if (!isJsonObject(line)) return problem('invalid_json_line', 'This line is not parseable as valid JSON.')
    const { custom_id: customId, method, url, body } = line
    if (typeof customId !== 'string' || customId === '' || customId.length > longestCustomId) {
      return problem(
        'invalid_custom_id',
        `custom_id is a text of 1 to ${longestCustomId} characters.`,
        'custom_id',
      )
    }
    if (method !== 'POST') return problem('invalid_method', 'method is POST.', 'method')
    if (url !== endpoint)
      return problem('mismatched_endpoint', `url is that of the batch, ${endpoint}.`, 'url')
    if (!isJsonObject(body)) return problem('missing_required_parameter', 'body is an object.', 'body')
    if (body.stream === true) {
      return problem('stream_not_supported', 'A request of a batch is answered in one piece.', 'body.stream')
    }
    return { customId, body, json: JSON.stringify(body) }
  },

  writeResult({ id, customId, endpoint, result }) {
    const head = `{"id":"batch_req_${id}","custom_id":${JSON.stringify(customId)},`
    const answer = (status: number, body: string): string =>
      `${head}"response":{"status_code":${status},"request_id":"req_${id}","body":${toOneLine(body)}},"error":null}\n`
    const unanswered = (code: string, message: string): string =>
      `${head}"response":null,"error":${JSON.stringify({ code, message })}}\n`
    switch (result.outcome) {
      case 'completed':
        return { file: 'output', text: answer(200, result.answer) }
      case 'failed': {
        const dialect = batchEndpoints.get(endpoint)
        const status = dialect?.errorStatus?.(result.error) ?? result.error.status
        const body = dialect?.errorBody(result.error) ?? '{}'
        return { file: 'errors', text: answer(status, body) }
      }
      case 'cancelled':
        return {
          file: 'errors',
          text: unanswered('batch_cancelled', 'The batch was cancelled before this request was answered.'),
        }
      case 'expired':
        return {
          file: 'errors',
          text: unanswered(
            'batch_expired',
            'This request could not be executed before the completion window expired.',
          ),
        }
    }
  },

  async keepResults(files, { spec, state }, stored, which) {
    const { id, tenant, outputLifeMs } = spec
    const createdAtMs = state.finalizingAtMs ?? Date.now()
    await files.register(tenant, {
      ...stored,
      filename: `${id}_${which === 'output' ? 'output' : 'error'}.jsonl`,
      purpose: 'batch_output',
      createdAtMs,
      ...(outputLifeMs !== undefined && { expiresAtMs: createdAtMs + outputLifeMs }),
    })
  },

  async dropInput() {},
}

function problem(code: string, message: string, param: string | null = null) {
  return { code, message, param }
}

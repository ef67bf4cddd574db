import type { ErrorRecord } from '#libs/core'
import type { Dialect } from '../dialect.ts'
import { collect, toFrames } from './collect.ts'
import { createEncoder } from './encoder.ts'
import { toNativeRequest } from './native-request.ts'
import { createObserver } from './observer.ts'
import { decodeRequest } from './request/decode-request.ts'
import { readRequest } from './request/read-request.ts'

/** OpenAI's Chat Completions: `POST /v1/chat/completions`. */
export const openaiChat: Dialect = {
  name: 'openai-chat',
  idPrefix: 'chatcmpl-',
  forwardedHeaders: [],
  readRequest,
  decodeRequest,
  toNativeRequest,
  createObserver,
  createEncoder,
  errorFrames: (error, seq) => [`{"error":${toErrorText(error)},"sequence_number":${seq}}`],
  // A chunk begins with its id, so no text in it can make it look like an error.
  toEvent: (frame, id) =>
    `id: ${id}\n${frame.startsWith('{"error":') ? 'event: error\n' : ''}data: ${frame}\n\n`,
  streamEnd: 'data: [DONE]\n\n',
  collect,
  toFrames,
  errorBody: (error) => `{"error":${toErrorText(error)}}`,
}

/** All four keys are always there; the provider's own type and code stand before ours, since clients know them. */
function toErrorText(error: ErrorRecord): string {
  return JSON.stringify({
    message: error.message,
    type: error.raw?.type ?? error.type,
    param: error.param,
    code: error.raw?.code === undefined ? error.code : error.raw.code,
  })
}

import type { ErrorRecord } from '#libs/core'
import type { ChatDialect } from '../dialect.ts'
import { collect, eventName, toFrames } from './collect.ts'
import { createEncoder } from './encoder.ts'
import { decodeRequest } from './request/decode-request.ts'
import { readRequest } from './request/read-request.ts'

/** The gateway's own dialect, `POST /v1/generate`: the same few words for the models of every provider. */
export const unifiedBlocks: ChatDialect = {
  name: 'unified-blocks',
  idPrefix: 'blk_',
  forwardedHeaders: [],
  readRequest,
  decodeRequest,
  toNativeRequest: refuseNative,
  createObserver: refuseNative,
  createEncoder,
  errorFrames: (error) => [toErrorText(error)],
  toEvent: (frame, id) => `event: ${eventName(frame)}\ndata: ${frame}\nid: ${id}\n\n`,
  streamEnd: '',
  collect,
  toFrames,
  // At the end, since a frame is known by how it begins.
  tellCost: (told, cost) => (eventName(told) === 'done' ? `${told.slice(0, -1)},"cost":${cost}}` : told),
  errorBody: toErrorText,
}

function refuseNative(): never {
  throw new TypeError('No provider speaks unified blocks: they are always translated.')
}

/** The same as an answer's body and as a stream's last event. */
function toErrorText(error: ErrorRecord): string {
  const { type, code, message, retryable, param, retryAfterMs, provider, raw } = error
  return JSON.stringify({
    type: 'error',
    class: type,
    code,
    message,
    retryable,
    ...(param !== null && { param }),
    ...(retryAfterMs !== undefined && { retry_after_ms: retryAfterMs }),
    ...(provider !== undefined && { provider }),
    ...(raw !== undefined && { raw }),
  })
}

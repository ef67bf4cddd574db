import type { ChatDialect } from '../dialect.ts'
import { addCost } from '../add-cost.ts'
import { openaiChat } from '../openai-chat/openai-chat.ts'
import { collect } from './frames/collect.ts'
import { createEncoder } from './frames/encoder.ts'
import { errorFrames } from './frames/error-frames.ts'
import { toFrames } from './frames/to-frames.ts'
import { toNativeRequest } from './native-request.ts'
import { createObserver } from './observer.ts'
import { decodeRequest } from './request/decode-request.ts'
import { readRequest } from './request/read-request.ts'
import { isTerminalType, readType } from './words.ts'

/** OpenAI's Responses: `POST /v1/responses`. */
export const openaiResponses: ChatDialect = {
  name: 'openai-responses',
  idPrefix: 'resp_',
  forwardedHeaders: [],
  readRequest,
  decodeRequest,
  toNativeRequest,
  createObserver,
  createEncoder,
  errorFrames,
  // Open Responses asks servers not to send ids; a browser's EventSource can't resume without them.
  toEvent: (frame, id, acceptsEvents) =>
    `${acceptsEvents === true ? `id: ${id}\n` : ''}event: ${readType(frame) ?? 'message'}\ndata: ${frame}\n\n`,
  streamEnd: 'data: [DONE]\n\n',
  collect,
  toFrames,
  tellCost(told, cost) {
    const type = readType(told)
    if (type === undefined) return addCost(told, ['usage'], cost)
    return isTerminalType(type) ? addCost(told, ['response', 'usage'], cost) : told
  },
  errorBody: (error) => openaiChat.errorBody(error),
}

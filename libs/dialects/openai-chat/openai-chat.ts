import { setTopLevelFields } from '#libs/core'
import type { ChatDialect } from '../dialect.ts'
import { collect, toFrames } from './collect.ts'
import { tellCost } from './tell-cost.ts'
import { createEncoder } from './encoder.ts'
import { errorBody, errorFrames, streamEnd, toEvent } from './events.ts'
import { toNativeRequest } from './native-request.ts'
import { createObserver } from './observer.ts'
import { decodeRequest } from './request/decode-request.ts'
import { readRequest } from './request/read-request.ts'

/** OpenAI's Chat Completions: `POST /v1/chat/completions`. */
export const openaiChat: ChatDialect = {
  name: 'openai-chat',
  idPrefix: 'chatcmpl-',
  forwardedHeaders: [],
  readRequest,
  decodeRequest,
  toNativeRequest,
  createObserver,
  createEncoder,
  errorFrames,
  toEvent,
  streamEnd,
  collect,
  toFrames,
  tellCost,
  tellMetadata: (answer, metadata) => setTopLevelFields(answer, { metadata }) ?? answer,
  errorBody,
}

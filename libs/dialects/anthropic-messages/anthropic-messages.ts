import type { ChatDialect } from '../dialect.ts'
import { addCost } from '../add-cost.ts'
import { collect, toFrames } from './collect.ts'
import { createEncoder } from './encoder.ts'
import { errorStatus, toErrorText } from './errors.ts'
import { toNativeRequest } from './native-request.ts'
import { createObserver } from './observer.ts'
import { decodeRequest } from './request/decode-request.ts'
import { readRequest } from './request/read-request.ts'

/** Anthropic's Messages, `POST /v1/messages`, in its versions 2023-06-01 and 2026-10-21. */
export const anthropicMessages: ChatDialect = {
  name: 'anthropic-messages',
  idPrefix: 'msg_',
  forwardedHeaders: ['anthropic-version', 'anthropic-beta'],
  requestIdHeader: 'request-id',
  readRequest,
  decodeRequest,
  toNativeRequest,
  createObserver,
  createEncoder,
  errorFrames: (error) => [toErrorText(error)],
  toEvent: (frame, id) => `${toEventLine(frame)}data: ${frame}\nid: ${id}\n\n`,
  streamEnd: '',
  collect,
  toFrames,
  tellCost: (told, cost) => (isContent(told) ? told : addCost(told, ['usage'], cost)),
  errorBody: toErrorText,
  errorStatus,
}

/** The counts of a stream's start lie deeper, so this is for speed alone. */
function isContent(told: string): boolean {
  return told.startsWith('{"type":"content_block_')
}

/** Clients skip an event without this line. Each frame begins with its type. */
function toEventLine(frame: string): string {
  const type = /^\{"type":"([\w.-]{1,64})"/.exec(frame)?.[1]
  return type === undefined ? '' : `event: ${type}\n`
}

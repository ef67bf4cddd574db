import { findTopLevelFields, spliceText } from '#libs/core'
import type { ChatDialect } from '../dialect.ts'
import { collect, toFrames } from './collect.ts'
import { createEncoder } from './encoder.ts'
import { toErrorBody } from './error-body.ts'
import { createObserver } from './observer.ts'
import { decodeRequest } from './request/decode-request.ts'
import { readRequest } from './request/read-request.ts'

/** Google's generateContent: `POST /v1beta/models/MODEL:generateContent` and `:streamGenerateContent?alt=sse`. */
export const gemini: ChatDialect = {
  name: 'gemini',
  idPrefix: 'gen_',
  resourcePath: '/v1/jobs',
  forwardedHeaders: [],
  readRequest,
  decodeRequest,
  toNativeRequest: (json, { model }) => nameModel(json, model),
  createObserver,
  createEncoder,
  errorFrames: (error) => [toErrorBody(error)],
  // Google's client passes over every event with an `id:` and breaks on a `[DONE]`, so a stream has neither.
  toEvent: (frame) => `data: ${frame}\n\n`,
  streamEnd: '',
  collect,
  toFrames,
  errorBody: toErrorBody,
}

/** The model is in the URL; a body that names it as well must not name another. All else stays the client's. */
export function nameModel(json: string, model: string): string {
  const fields = findTopLevelFields(json, ['model']) ?? []
  const name = JSON.stringify(model.includes('/') ? model : `models/${model}`)
  return spliceText(
    json,
    fields.map(({ start, end }) => ({ start, end, text: name })),
  )
}

import { isJsonObject } from '#libs/core'
import type { RequestSummary, StreamDialect } from '../dialect.ts'
import { errorBody, errorFrames, streamEnd, toEvent } from '../openai-chat/events.ts'
import { createObserver } from '../openai-chat/observer.ts'
import { toNativeRequest } from '../openai-chat/native-request.ts'
import { tellCost } from '../openai-chat/tell-cost.ts'
import { checkBody, checkBoolean, checkName, isAbsent, refuse } from '../request/checks.ts'
import { collect, toFrames } from './collect.ts'

/** OpenAI's older `POST /v1/completions`, where a prompt is a text. Its stream is that of the chat, but for the object. */
export const openaiCompletions: StreamDialect = {
  name: 'openai-completions',
  idPrefix: 'cmpl-',
  resourcePath: '/v1/jobs',
  forwardedHeaders: [],
  readRequest,
  toNativeRequest,
  createObserver: (context) => createObserver(context, 'text_completion'),
  errorFrames,
  toEvent,
  streamEnd,
  collect,
  toFrames,
  tellCost,
  errorBody,
}

function readRequest(body: unknown): RequestSummary {
  checkBody(body)
  if (isAbsent(body.model)) refuse('model', 'You must provide a model parameter.')
  checkName(body.model, 'model')
  if (isAbsent(body.prompt)) refuse('prompt', "Missing required parameter: 'prompt'.")
  checkBoolean(body, 'stream')
  const options = body.stream_options
  return {
    model: body.model,
    stream: body.stream === true,
    includeUsage: isJsonObject(options) && options.include_usage === true,
    store: false,
    metadata: {},
  }
}

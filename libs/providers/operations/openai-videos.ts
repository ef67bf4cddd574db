import { GatewayError, isJsonObject } from '#libs/core'
import { readObject, unreadable, type OperationAdapter, type OperationState } from './operation.ts'

/** OpenAI's videos: https://platform.openai.com/docs/api-reference/videos */
export const openaiVideoOperations: OperationAdapter = {
  toStart: (body, model) => ({ path: '/videos', body: JSON.stringify({ ...body, model }) }),
  readStarted(answer) {
    const { id } = readObject(answer)
    if (typeof id === 'string' && /^[\w-]{1,200}$/.test(id)) return id
    throw unreadable('it has no id')
  },
  toPath: (id) => `/videos/${id}`,
  readState,
}

function readState(answer: string, id: string): OperationState {
  const { status, progress, error } = readObject(answer)
  switch (status) {
    case 'queued':
    case 'in_progress':
      return { status: 'running', ...(typeof progress === 'number' && { percent: progress }) }
    case 'completed':
      return {
        status: 'done',
        files: [
          { name: 'video', path: `/videos/${id}/content` },
          { name: 'thumbnail', path: `/videos/${id}/content?variant=thumbnail`, isOptional: true },
          { name: 'spritesheet', path: `/videos/${id}/content?variant=spritesheet`, isOptional: true },
        ],
      }
    case 'failed':
      return { status: 'failed', error: readFailure(error) }
    default:
      throw unreadable('it has no status that is known')
  }
}

function readFailure(error: unknown): GatewayError {
  const { code, message } = isJsonObject(error) ? error : {}
  const word = typeof code === 'string' ? code : undefined
  const isRefused = /moderation|policy|safety|prompt_blocked/.test(word ?? '')
  return new GatewayError(
    isRefused ? 'content_policy' : 'upstream_error',
    typeof message === 'string' && message !== ''
      ? message.slice(0, 2_000)
      : 'The provider failed to make it.',
    word === undefined ? {} : { raw: { code: word } },
  )
}

import { GatewayError, isJsonObject } from '#libs/core'
import { readObject, unreadable, type OperationAdapter, type OperationState } from './operation.ts'

/** Width x height in Google's two words for it. */
const sizes: ReadonlyMap<unknown, { aspectRatio: string; resolution: string }> = new Map([
  ['1280x720', { aspectRatio: '16:9', resolution: '720p' }],
  ['720x1280', { aspectRatio: '9:16', resolution: '720p' }],
  ['1920x1080', { aspectRatio: '16:9', resolution: '1080p' }],
  ['1080x1920', { aspectRatio: '9:16', resolution: '1080p' }],
])

/** Google's Veo, asked in OpenAI's words: https://ai.google.dev/gemini-api/docs/video */
export const veoOperations: OperationAdapter = {
  toStart(body, model) {
    const { prompt, seconds, size, input_reference: reference } = body
    const format = size == null ? undefined : sizes.get(size)
    if (size != null && format === undefined) {
      throw refused('size', `This model makes videos of ${[...sizes.keys()].join(', ')}.`)
    }
    const image = isJsonObject(reference) ? toImage(reference.image_url) : undefined
    return {
      path: `/models/${encodeURIComponent(model.replace(/^models\//, ''))}:predictLongRunning`,
      body: JSON.stringify({
        instances: [{ prompt, ...(image !== undefined && { image }) }],
        parameters: { ...format, ...(seconds != null && { durationSeconds: Number(seconds) }) },
      }),
    }
  },
  readStarted(answer) {
    const { name } = readObject(answer)
    // It becomes a path: nothing in it may lead elsewhere.
    if (typeof name === 'string' && /^(?:[A-Za-z0-9-][\w.-]*\/)*operations\/[\w-]+$/.test(name)) return name
    throw unreadable('it has no name')
  },
  toPath: (name) => `/${name}`,
  readState,
}

function toImage(url: unknown): { bytesBase64Encoded: string; mimeType: string } {
  const [, mimeType, bytes] = /^data:(image\/\w+);base64,(.*)$/s.exec(String(url)) ?? []
  if (mimeType === undefined || bytes === undefined) {
    throw refused('input_reference.image_url', 'This provider takes an image as data URL, or as a file.')
  }
  return { bytesBase64Encoded: bytes, mimeType }
}

function readState(answer: string): OperationState {
  const { done, error, response } = readObject(answer)
  if (done !== true) return { status: 'running' }
  if (isJsonObject(error)) {
    const message = typeof error.message === 'string' ? error.message.slice(0, 2_000) : ''
    return {
      status: 'failed',
      error: new GatewayError('upstream_error', message || 'The provider failed to make it.', {
        raw: { code: String(error.code) },
      }),
    }
  }
  const made = isJsonObject(response) ? response.generateVideoResponse : undefined
  const { generatedSamples, raiMediaFilteredReasons } = isJsonObject(made) ? made : {}
  const sample: unknown = Array.isArray(generatedSamples) ? generatedSamples[0] : undefined
  const video = isJsonObject(sample) ? sample.video : undefined
  const uri = isJsonObject(video) ? video.uri : undefined
  // Its host is Google's own, and this provider may stand behind another.
  const id = /\/files\/([\w-]+):download/.exec(String(uri))?.[1]
  if (id !== undefined) {
    return { status: 'done', files: [{ name: 'video', path: `/files/${id}:download?alt=media` }] }
  }
  const reason: unknown = Array.isArray(raiMediaFilteredReasons) ? raiMediaFilteredReasons[0] : undefined
  if (typeof reason !== 'string') throw unreadable('it is done and has no video')
  return { status: 'failed', error: new GatewayError('content_policy', reason.slice(0, 2_000)) }
}

function refused(param: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, { param })
}

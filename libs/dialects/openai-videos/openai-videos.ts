import { isJsonObject } from '#libs/core'
import type { JsonDialect, RequestSummary } from '../dialect.ts'
import { createAnswerDialect } from '../answers/create-answer-dialect.ts'
import { checkBody, checkObject, isAbsent, refuse, refuseType } from '../request/checks.ts'

const longestPrompt = 32_000
const answers = createAnswerDialect({
  name: 'openai-videos',
  idPrefix: 'video_',
  asks: 'prompt',
  answers: 'id',
})
const { resourcePath: _jobs, ...common } = answers

/** OpenAI's `POST /v1/videos`, as JSON: a form becomes that first. What it creates always goes on by itself. */
export const openaiVideos: JsonDialect = { ...common, readRequest }

function readRequest(body: unknown): RequestSummary {
  const summary = answers.readRequest(body)
  checkBody(body)
  const { prompt, seconds, size, input_reference: reference } = body
  if (typeof prompt !== 'string') refuseType('prompt', 'a string', prompt)
  if (prompt.trim() === '' || prompt.length > longestPrompt) {
    refuse('prompt', `Invalid 'prompt': expected 1 to ${longestPrompt} characters.`)
  }
  if (!isAbsent(seconds) && !/^[1-9]\d?$/.test(toText(seconds))) {
    refuse('seconds', "Invalid 'seconds': expected a whole number from 1 to 99.")
  }
  if (!isAbsent(size) && !/^\d{2,5}x\d{2,5}$/.test(toText(size))) {
    refuse('size', "Invalid 'size': expected width x height, such as 1280x720.")
  }
  if (!isAbsent(reference)) checkReference(reference)
  return { ...summary, background: true }
}

function toText(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

/** The provider knows nothing of files that are kept here. */
function checkReference(reference: unknown): void {
  checkObject(reference, 'input_reference')
  if (!isAbsent(reference.file_id)) {
    refuse('input_reference.file_id', 'Send the image itself: no provider knows the files of this gateway.')
  }
  const url = reference.image_url
  if (typeof url !== 'string' || !/^(?:https:\/\/|data:image\/(?:png|jpeg|webp);base64,)/.test(url)) {
    refuse('input_reference.image_url', 'Expected an https URL, or a PNG, JPEG or WebP image as data URL.')
  }
}

/** What of a video is kept, and can be read. */
export interface VideoAsset {
  variant: string
  bytes: number
  content_type: string
  sha256: string
}

/** What is told of a video, beside its request. */
export interface VideoFacts {
  id: string
  model: string
  createdAt: number
  completedAt: number | null
  status: 'queued' | 'in_progress' | 'completed' | 'failed'
  progress: number
  error: { code: string; message: string } | null
  assets: readonly VideoAsset[]
}

/** A video as OpenAI tells it, with what is kept of it beside. `request` is the body that asked for it. */
export function toVideo(request: string | undefined, facts: VideoFacts): object {
  const asked: unknown = request === undefined ? {} : JSON.parse(request)
  const { prompt, seconds, size } = isJsonObject(asked) ? asked : {}
  return {
    id: facts.id,
    object: 'video',
    model: facts.model,
    status: facts.status,
    progress: facts.progress,
    created_at: facts.createdAt,
    completed_at: facts.completedAt,
    expires_at: null,
    prompt: prompt ?? null,
    seconds: toText(seconds) || '4',
    size: size ?? '720x1280',
    remixed_from_video_id: null,
    error: facts.error,
    assets: facts.assets,
  }
}

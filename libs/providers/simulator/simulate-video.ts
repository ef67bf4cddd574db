import { GatewayError } from '#libs/core'
import type { BuiltInOperation } from '../operations/operation.ts'
import { openaiVideoOperations } from '../operations/openai-videos.ts'
import { parseSimulatorModel, type SimulatorSettings } from './model-name.ts'

const videoBytes = 300_000
const otherBytes = 2_000

/**
 * Begins to make a video, which takes as long as an answer of so many tokens would; gives its id, which tells all that
 * there is to know. A prompt with the word `forbidden` fails in the end.
 */
export function beginVideo(
  { prompt }: Readonly<Record<string, unknown>>,
  settings: SimulatorSettings,
): string {
  if (typeof prompt !== 'string') {
    throw new GatewayError('invalid_request', "'prompt' must be a text.", { param: 'prompt' })
  }
  const { tokens, gapMs } = settings
  const end = /\bforbidden\b/i.test(prompt) ? 'failed' : 'completed'
  return `video_sim-${Date.now()}-${tokens * gapMs}-${end}`
}

/** The video as it is now, in OpenAI's words; `undefined` if there is none of this id. */
export function showVideo(id: string): object | undefined {
  const [, startedAt, duration, end] = /^video_sim-(\d{1,15})-(\d{1,15})-(failed|completed)$/.exec(id) ?? []
  if (startedAt === undefined) return undefined
  const passed = (Date.now() - Number(startedAt)) / Math.max(1, Number(duration))
  const isRunning = passed < 1
  return {
    id,
    object: 'video',
    created_at: Math.floor(Number(startedAt) / 1000),
    status: isRunning ? 'in_progress' : end,
    progress: isRunning ? Math.max(0, Math.floor(passed * 100)) : 100,
    error:
      isRunning || end === 'completed'
        ? null
        : { code: 'moderation_blocked', message: 'The simulator refuses what is forbidden.' },
  }
}

/** An MP4 file that holds no picture, or a smaller one in place of what is made of it. */
export function readVideo(variant: string): Buffer {
  const file = Buffer.alloc(variant === 'video' ? videoBytes : otherBytes)
  file.writeUInt32BE(20, 0)
  file.write('ftypisom\0\0\0\0mp42', 4, 'latin1')
  file.writeUInt32BE(file.length - 20, 20)
  file.write('mdat', 24)
  for (let at = 28; at < file.length; at += 1) file[at] = (at * 31) % 251
  return file
}

/** The same inside the worker. */
export const simulatedVideos: BuiltInOperation = {
  start: (body, model) => beginVideo(body, parseSimulatorModel(model)),
  look: (id) => openaiVideoOperations.readState(JSON.stringify(showVideo(id) ?? {}), id),
  read: ({ name }) => ({ type: 'video/mp4', bytes: readVideo(name) }),
}

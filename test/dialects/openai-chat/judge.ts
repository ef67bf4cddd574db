import OpenAI from 'openai'
import type { ErrorRecord } from '#libs/core'
import type { FrameContext } from '#libs/dialects'
import { openaiChat } from '#libs/dialects'

export const dialect = openaiChat

export const context: FrameContext = {
  rid: 'chatcmpl-0190aaaaaaaa7bbbb8ccccccccccccccc',
  model: 'fast "one"',
  createdAt: 1_790_000_000,
  includeUsage: true,
}

/** The only frame that tells of a failure. */
export function tellError(error: ErrorRecord, seq: number): string {
  const [frame = '', ...more] = dialect.errorFrames(error, seq, { context, frames: [] })
  if (more.length > 0) throw new Error('one frame was expected')
  return frame
}

/** The stream as the API tier writes it. */
export function toSse(frames: readonly string[]): string {
  return (
    frames.map((frame, seq) => dialect.toEvent(frame, `${context.rid}:${seq}`)).join('') + dialect.streamEnd
  )
}

/** A client of OpenAI's own making whose every call is answered with this stream. */
export function clientFor(frames: readonly string[]): OpenAI {
  return new OpenAI({
    apiKey: 'none',
    maxRetries: 0,
    fetch: () =>
      Promise.resolve(
        new Response(toSse(frames), { headers: { 'content-type': 'text/event-stream; charset=utf-8' } }),
      ),
  })
}

/** What OpenAI's accumulator makes of the frames. */
export function judge(frames: readonly string[]) {
  return clientFor(frames)
    .chat.completions.stream({
      model: 'any',
      messages: [{ role: 'user', content: 'hi' }],
      stream_options: { include_usage: true },
    })
    .finalChatCompletion()
}

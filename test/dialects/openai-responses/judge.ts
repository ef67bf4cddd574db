import OpenAI from 'openai'
import type { Part } from '#libs/core'
import { openaiResponses, type FrameContext } from '#libs/dialects'

export const dialect = openaiResponses

export const context: FrameContext = {
  rid: 'resp_0190aaaaaaaa7bbb8ccccccccccccccc',
  model: 'fast "one"',
  createdAt: 1_790_000_000,
  includeUsage: true,
}

export type Event = Record<string, unknown> & { type: string }

export function encode(parts: readonly Part[], request?: object): string[] {
  const encoder = dialect.createEncoder(
    request === undefined ? context : { ...context, request: JSON.stringify(request) },
  )
  const frames: string[] = []
  for (const part of parts) frames.push(...encoder.encode(part, frames.length))
  return frames
}

export function toEvents(frames: readonly string[]): Event[] {
  return frames.map((frame) => JSON.parse(frame) as Event)
}

/** The stream as the API tier writes it. */
export function toSse(frames: readonly string[]): string {
  return frames.map((frame, seq) => dialect.toEvent(frame, `r:${seq}`)).join('') + dialect.streamEnd
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

/** What OpenAI's accumulator makes of the frames. It throws at an event that it does not know or expect. */
export function judge(frames: readonly string[]) {
  return clientFor(frames).responses.stream({ model: 'any', input: 'hi' }).finalResponse()
}

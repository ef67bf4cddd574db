import Anthropic from '@anthropic-ai/sdk'
import { GatewayError, type CanonicalRequest } from '#libs/core'
import { anthropicMessages, type FrameContext } from '#libs/dialects'
import { createSseDecoder } from '#libs/sse'
import { readFixture } from '../../support/anthropic-upstream.ts'

export const dialect = anthropicMessages

export const context: FrameContext = {
  rid: 'msg_0190aaaaaaaa7bbbb8ccccccccccccccc',
  model: 'smart "one"',
  createdAt: 1_790_000_000,
  includeUsage: true,
}

/** The stream as the API tier writes it. */
export function toSse(frames: readonly string[]): string {
  return (
    frames.map((frame, seq) => dialect.toEvent(frame, `${context.rid}:${seq}`)).join('') + dialect.streamEnd
  )
}

/** What the accumulator of Anthropic's own client makes of the frames. */
export function judge(frames: readonly string[]): Promise<Anthropic.Message> {
  const client = new Anthropic({
    apiKey: 'none',
    maxRetries: 0,
    fetch: () =>
      Promise.resolve(
        new Response(toSse(frames), { headers: { 'content-type': 'text/event-stream; charset=utf-8' } }),
      ),
  })
  return client.messages
    .stream({ model: 'any', max_tokens: 9, messages: [{ role: 'user', content: 'hi' }] })
    .finalMessage()
}

export async function eventsOf(fixture: string): Promise<{ event: string | undefined; data: string }[]> {
  const decoder = createSseDecoder()
  return [...decoder.push(Buffer.from(await readFixture(fixture))), ...decoder.end()]
}

export function decode(body: object): CanonicalRequest {
  const prompt = { model: 'smart', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] }
  return dialect.decodeRequest({ ...prompt, ...body }, 'target')
}

export function failure(act: () => unknown): GatewayError {
  try {
    act()
  } catch (error) {
    if (error instanceof GatewayError) return error
  }
  throw new Error('No GatewayError was thrown.')
}

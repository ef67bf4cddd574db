import { readFileSync } from 'node:fs'
import { createSseDecoder, type SseEvent } from '#libs/sse'
import { context, dialect } from './judge.ts'

const folder = new URL('../../fixtures/openai/', import.meta.url)

export const streamText = readFileSync(new URL('responses.sse', folder), 'utf8')
export const answerText = readFileSync(new URL('response.json', folder), 'utf8').trim()

export function streamEvents(): SseEvent[] {
  return createSseDecoder({ maxEventBytes: 1_000_000 }).push(Buffer.from(streamText))
}

/** The provider's stream as our client gets it. */
export function streamFrames(request?: string): string[] {
  const observer = dialect.createObserver(request === undefined ? context : { ...context, request })
  const frames: string[] = []
  for (const event of streamEvents()) {
    const frame = observer.observe(event, frames.length)
    if (frame !== undefined) frames.push(frame)
  }
  return frames
}

/** The provider's whole answer as our client gets it. */
export function answer(): string {
  return dialect.createObserver(context).observeAnswer(answerText)
}

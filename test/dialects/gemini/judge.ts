import { GoogleGenAI, type GenerateContentResponse } from '@google/genai'
import type { CanonicalRequest } from '#libs/core'
import { gemini, type FrameContext } from '#libs/dialects'

export const dialect = gemini

export const context: FrameContext = {
  rid: 'gen_0190aaaaaaaa7bbbb8ccccccccccccccc',
  model: 'fast "one"',
  createdAt: 1_790_000_000,
  includeUsage: true,
}

/** A chunk as Gemini writes it. */
export const chunk = (parts: object[], candidate: object = {}, more: object = {}) => ({
  candidates: [{ content: { parts, role: 'model' }, ...candidate, index: 0 }],
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2 },
  modelVersion: 'gemini-x',
  ...more,
  responseId: 'upstream',
})

/** What a native stream of these events becomes. */
export function observe(events: readonly (string | object)[]) {
  const observer = dialect.createObserver(context)
  const frames = events
    .map((event) => (typeof event === 'string' ? event : JSON.stringify(event)))
    .map((data) => observer.observe({ event: undefined, data }, 0))
    .filter((frame) => frame !== undefined)
  return { frames, observation: observer.observation }
}

/** A client of Google's own making whose every call is answered with these frames, as the API tier writes them. */
export function clientFor(frames: readonly string[]): GoogleGenAI {
  const stream = frames.map((frame) => dialect.toEvent(frame, context.rid)).join('') + dialect.streamEnd
  return new GoogleGenAI({
    apiKey: 'none',
    httpOptions: {
      fetch: () =>
        Promise.resolve(new Response(stream, { headers: { 'content-type': 'text/event-stream' } })),
    },
  })
}

/** The chunks that Google's client makes of the frames. */
export async function judge(frames: readonly string[]): Promise<GenerateContentResponse[]> {
  const chunks: GenerateContentResponse[] = []
  const stream = await clientFor(frames).models.generateContentStream({ model: 'any', contents: 'hi' })
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

export function decode(body: object): CanonicalRequest {
  return dialect.decodeRequest({ contents: [{ role: 'user', parts: [{ text: 'Hi' }] }], ...body }, 'm')
}

/** What is thrown; fails if nothing is. */
export function failure(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  throw new Error('Nothing was thrown.')
}

import type { FrameContext } from '../dialect.ts'

export type WriteChunk = (seq: number, choices: string, end?: string) => string

/** How every chunk of a stream begins; the sequence number comes next. */
export function chunkOpening(context: FrameContext, object = 'chat.completion.chunk'): string {
  return (
    `{"id":${JSON.stringify(context.rid)},"object":${JSON.stringify(object)},` +
    `"created":${context.createdAt},"model":${JSON.stringify(context.model)},"sequence_number":`
  )
}

/** How a chunk ends that tells no usage: with a null, where the client has asked for usage. */
export function chunkEnd(context: FrameContext): string {
  return context.includeUsage ? ',"usage":null}' : '}'
}

/** Writes chunks about choices that are JSON already; `end` is all that follows them, the brace included. */
export function createChunkWriter(context: FrameContext, object?: string): WriteChunk {
  const opening = chunkOpening(context, object)
  const usualEnd = chunkEnd(context)
  return (seq, choices, end = usualEnd) => `${opening}${seq},"choices":${choices}${end}`
}
